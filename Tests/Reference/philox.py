"""The random draws of the program, for the references that make its data anew."""

MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1


class Draws:
    """Philox4x32-10 (Salmon et al. 2011), keyed by FNV-1a of the stream's name mixed with the seed, counted by (block, sample, time)."""

    def __init__(self, name, time, sample, seed=0):
        value = 0xCBF29CE484222325
        for byte in name.encode():
            value = (value ^ byte) * 0x100000001B3 & MASK64
        value ^= seed * 0x9E3779B97F4A7C15 & MASK64
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK64
        value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK64
        value ^= value >> 31
        self.key, self.counter, self.words = (value & MASK32, value >> 32), (sample & MASK32, sample >> 32, time), []
        self.block = 0

    def word(self):
        if not self.words:
            (a, b, c, d), (k, l) = (self.block, *self.counter), self.key
            for _ in range(10):
                p, q = a * 0xD2511F53, c * 0xCD9E8D57
                a, b, c, d = q >> 32 ^ b ^ k, q & MASK32, p >> 32 ^ d ^ l, p & MASK32
                k, l = k + 0x9E3779B9 & MASK32, l + 0xBB67AE85 & MASK32
            self.words, self.block = [a, b, c, d], self.block + 1
        return self.words.pop(0)

    def between(self, first, last):
        """Uniform, both included, without bias (Lemire 2019)."""
        bound = last - first + 1
        while True:
            product = (self.word() | self.word() << 32) * bound
            if product & MASK64 >= (1 << 64) % bound:
                return first + (product >> 64)
