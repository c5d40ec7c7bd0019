import Configuration

/// Writes a text to standard output. In this module it stands before Swift's `print`, so that no command can write what a terminal would obey.
func print(_ text: String = "") { Swift.print(text.visible) }
