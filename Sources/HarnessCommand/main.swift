import Commands

HarnessProgram.main(registry: .standard)
