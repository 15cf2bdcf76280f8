"""Between messages and the package: pixels, messages, stamps, parameters, quality of service."""
