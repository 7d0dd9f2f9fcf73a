// Empty. A package with assembly may declare functions that have no body, as runtime.go does.
