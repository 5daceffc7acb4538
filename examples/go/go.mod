module example.org/search

go 1.19
