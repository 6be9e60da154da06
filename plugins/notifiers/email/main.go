// Command email is the notifier that mails alerts by SMTP, with the settings of Alertmanager's email receiver.
package main

import "github.com/hearth-project/hearth/sdk"

func init() { sdk.RegisterNotifier(newNotifier()) }

func main() { sdk.Main() }
