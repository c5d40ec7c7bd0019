import Configuration
import Foundation
import VisionData

/// A page with small pictures of each class, for a browser: one file that needs nothing else.
struct ContactSheet {
    let html: String

    init(_ survey: ImageSurvey) {
        let byClass = Dictionary(grouping: survey.thumbnails, by: \.label)
        let rows = survey.classNames.enumerated().map { label, name in
            let counts = survey.counts.map { "\(grouped($0.images[label])) \($0.split.rawValue)" }.joined(separator: ", ")
            let pictures = (byClass[label] ?? []).map { picture in
                let alternative = Self.escaped(picture.name)
                return """
                    <img src="data:image/png;base64,\(Data(picture.png).base64EncodedString())" width="\(picture.size.width)" \
                    height="\(picture.size.height)" alt="\(alternative)" title="\(alternative)">
                    """
            }
            return "<section><h2>\(label) · \(Self.escaped(name)) <small>\(counts)</small></h2>\n<p>\(pictures.joined(separator: "\n"))</p></section>"
        }
        html = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
            <title>\(Self.escaped(survey.source))</title>
            <style>
            :root { color-scheme: light dark }
            body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; overflow-wrap: anywhere }
            h2 { font-size: 1rem; margin: 1.5rem 0 .25rem } small { font-weight: normal }
            img { margin: 2px; vertical-align: middle; image-rendering: pixelated }
            </style></head><body>
            <h1>\(Self.escaped(survey.source))</h1>
            <p>\(grouped(survey.thumbnails.count)) of \(grouped(survey.counts.flatMap(\.images).reduce(0, +))) images.</p>
            \(rows.joined(separator: "\n"))
            </body></html>

            """
    }

    /// Text for HTML.
    private static func escaped(_ text: String) -> String {
        text.visibleOnOneLine.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
}
