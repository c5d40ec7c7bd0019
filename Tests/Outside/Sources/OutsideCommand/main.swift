import Commands
import Gated
import Harness

HarnessProgram.main(registry: .standard.adding(GatedConfiguration.self))
