package fn

import "time"

func at(x float64) time.Time { return time.Unix(int64(x), 0).UTC() }

func daysInMonth(x float64) float64 {
	t := at(x)
	return float64(32 - time.Date(t.Year(), t.Month(), 32, 0, 0, 0, 0, time.UTC).Day())
}

func dayOfMonth(x float64) float64 { return float64(at(x).Day()) }
func dayOfWeek(x float64) float64  { return float64(at(x).Weekday()) }
func dayOfYear(x float64) float64  { return float64(at(x).YearDay()) }
func hour(x float64) float64       { return float64(at(x).Hour()) }
func minute(x float64) float64     { return float64(at(x).Minute()) }
func month(x float64) float64      { return float64(at(x).Month()) }
func year(x float64) float64       { return float64(at(x).Year()) }
