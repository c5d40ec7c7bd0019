import CCrypto

/// SHA-256 (FIPS 180-4) over bytes that come in pieces.
public final class SHA256 {
    private let context = EVP_MD_CTX_new()

    /// The digest of nothing yet.
    public init() {
        precondition(EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1, "OpenSSL has no SHA-256")
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Goes on with these bytes.
    public func update(_ bytes: UnsafeRawBufferPointer) {
        precondition(EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) == 1, "OpenSSL failed to hash")
    }

    /// Goes on with a text's UTF-8 bytes.
    public func update(_ text: String) {
        var text = text
        text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    /// The digest of what was added so far, as 64 hexadecimal digits.
    public var current: String {
        let copy = SHA256()
        precondition(EVP_MD_CTX_copy_ex(copy.context, context) == 1, "OpenSSL failed to hash")
        return copy.finish()
    }

    /// The digest as 64 hexadecimal digits; nothing can be added afterwards.
    public func finish() -> String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE)), count: UInt32 = 0
        precondition(EVP_DigestFinal_ex(context, &digest, &count) == 1, "OpenSSL failed to hash")
        return digest.prefix(Int(count)).map { hexadecimal(UInt64($0), digits: 2) }.joined()
    }
}

/// A number in hexadecimal, filled up with zeros.
public func hexadecimal(_ value: UInt64, digits: Int = 16) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
}
