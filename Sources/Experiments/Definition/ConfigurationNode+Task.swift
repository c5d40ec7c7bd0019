import Configuration
import Tasks

extension ConfigurationNode {
    /// Whether `task:` says what is so without it: the hash of a trial is the same then.
    var isDefaultTask: Bool {
        switch value {
        case .scalar(let name, _): name == TaskRegistry.defaultName
        case .map(let entries): entries.count == 1 && entries[0].key == TaskRegistry.defaultName && entries[0].node.isEmpty
        case .null: true
        case .list: false
        }
    }

    private var isEmpty: Bool {
        switch value {
        case .null: true
        case .map(let entries): entries.isEmpty
        case .scalar, .list: false
        }
    }
}
