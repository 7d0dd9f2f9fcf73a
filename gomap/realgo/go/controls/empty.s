// The declarations of functions without a body in steals.go need an assembly file in the package.
