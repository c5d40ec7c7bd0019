import Foundation

/// Why the system refused something at `path`, in its own words, from the error that Foundation made of it.
public func systemReason(_ error: any Error, at path: String) -> String {
    let error = error as NSError
    let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError ?? error
    if underlying.domain == NSPOSIXErrorDomain { return String(cString: strerror(Int32(underlying.code))) }
    // Foundation has no words for some, such as a circle of links.
    if access(path, F_OK) != 0 { return String(cString: strerror(errno)) }
    return error.localizedDescription
}
