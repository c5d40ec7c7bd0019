import Configuration
import Figures
import Foundation
import Reports
import RunStore

extension NetworkView {
    /// What a run of reconstruction made of the first test images.
    ///
    /// - Throws: `.data` where it keeps none.
    init(reconstructionsOf run: RunFolder) throws {
        guard let examples = try RunReader(run).reconstructions() else {
            throw UserError(.data, "\(run.runFile): keeps no reconstructions: the run is of another task, or is not finished")
        }
        let name = (run.path as NSString).lastPathComponent
        let shape = [examples.count, examples.height, examples.width] + (examples.channels == 1 ? [] : [examples.channels])
        self.init(
            "reconstructions", PictureSheet(examples, title: "Reconstructions of test images", run: name),
            examples.rows.map { .init(name: $0.name, shape: shape, values: .floats($0.pixels), title: $0.name) })
    }
}
