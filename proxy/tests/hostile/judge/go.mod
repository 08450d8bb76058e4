module judge

go 1.25
