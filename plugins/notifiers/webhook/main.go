// Command webhook is the notifier that posts Alertmanager's webhook message (version 4) to a URL, as Alertmanager's
// own webhook receiver does.
package main

import "github.com/hearth-project/hearth/sdk"

func init() { sdk.RegisterNotifier(&notifier{}) }

func main() { sdk.Main() }
