import Configuration
import Testing

@Suite struct VisibleTextTests {
    @Test(arguments: [
        ("größe → 漢字 👩‍🔬", "größe → 漢字 👩‍🔬"),
        ("a\u{1B}]0;title\u{7}b", #"a\u001b]0;title\u0007b"#),
        ("\u{0}\u{7F}\u{85}\u{9B}31m", #"\u0000\u007f\u0085\u009b31m"#),
        ("ab\u{202E}cd\u{2066}\u{200F}\u{61C}", #"ab\u202ecd\u2066\u200f\u061c"#),
        ("one\r\ttwo\u{2028}", #"one\r\ttwo\u2028"#),
        ("one\ntwo\r\n", "one\ntwo\\r\n"),
    ])
    func writesOutWhatATerminalWouldObey(text: String, visible: String) { #expect(text.visible == visible) }

    @Test func oneLineStaysOne() { #expect("one\ntwo".visibleOnOneLine == #"one\ntwo"#) }

    @Test func bytesThatAreNoTextAreReplaced() {
        #expect(String(decoding: [0x61, 0xFF, 0x9B, 0x62] as [UInt8], as: UTF8.self).visible == "a\u{FFFD}\u{FFFD}b")
    }

    @Test func longTextsAreShortened() {
        let text = String(repeating: "a", count: 40) + String(repeating: "b", count: 1_000) + String(repeating: "c", count: 19)
        #expect(text.shortened(to: 60) == String(repeating: "a", count: 40) + "…" + String(repeating: "c", count: 19))
        #expect(String(repeating: "ä", count: 60).shortened(to: 60) == String(repeating: "ä", count: 60))
    }
}
