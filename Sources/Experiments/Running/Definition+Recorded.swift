import Configuration
import RunStore

extension Definition {
    /// The definition of the one trial whose run this is, as the run keeps it.
    ///
    /// - Parameter path: the run file's, for errors.
    /// - Throws: `.data` when it is damaged.
    static func recorded(_ run: RunContents, path: String, _ registry: Registry) throws -> Definition {
        do {
            let definition = try Definition(
                resolved: run.description.configuration, name: run.description.experiment, place: "\(path): /config", registry: registry)
            if definition.trials.count == 1 { return definition }
        } catch let error as UserError where error.kind == .usage {
            throw UserError(.data, error.message.split(separator: "\n").first.map(String.init) ?? "\(path): /config is damaged")
        }
        throw UserError(.data, "\(path): /config is not the definition of one run")
    }
}
