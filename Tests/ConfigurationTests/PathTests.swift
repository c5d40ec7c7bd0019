import Configuration
import Foundation
import Testing

@Suite struct PathTests {
    @Test(arguments: [
        ("m", ""), ("m/", ""), ("", ""), ("/", "/"), ("//", "/"), ("/m", "/"), ("./m", "."), ("a/b", "a"), ("a/b/", "a"), ("/a/b.png", "/a"), ("a.h5", ""), ("é", ""),
    ])
    func folderOfAPath(path: String, folder: String) { #expect(path.parentPath == folder) }

    /// Where Foundation answers, the answer is the same.
    @Test(arguments: ["ab", "/ab/cd", "ab/cd/", "../x", "a/b/c.d.e", "/x"]) func asFoundationHasIt(path: String) {
        #expect(path.parentPath == (path as NSString).deletingLastPathComponent)
    }
}
