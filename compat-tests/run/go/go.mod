module kwire.example/run

go 1.19
