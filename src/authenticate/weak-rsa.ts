/** Faulty chips built the primes of keys of 2048 bits and more from the product of all primes up to here. */
const LARGEST_PRIME = 701
const GENERATOR = 65_537

/** Of each of those primes but 2, the remainders that powers of the generator leave. */
const REMAINDERS: ReadonlyMap<number, ReadonlySet<number>> = new Map(
  oddPrimes(LARGEST_PRIME).map(prime => {
    const powers = new Set<number>()
    for (let power = 1; !powers.has(power); power = (power * GENERATOR) % prime) powers.add(power)
    return [prime, powers]
  })
)

/**
 * Whether the modulus of an RSA key has the fingerprint of CVE-2017-15361 (ROCA): modulo each small prime it is a power of
 * 65537. Such keys were made by smart cards and TPMs, and can be factored. No other key has it, but for one in 2^160.
 *
 * @param modulus base64url, as in a JWK, of 2048 bits or more
 * @see Nemec, Sys, Svenda, Klinec, Matyas: The Return of Coppersmith's Attack, CCS 2017
 */
export function isRocaModulus(modulus: string): boolean {
  const number = BigInt(`0x0${Buffer.from(modulus, 'base64url').toString('hex')}`)
  for (const [prime, remainders] of REMAINDERS) if (!remainders.has(Number(number % BigInt(prime)))) return false
  return true
}

function oddPrimes(last: number): readonly number[] {
  const primes: number[] = []
  for (let n = 3; n <= last; n += 2) if (primes.every(prime => n % prime !== 0)) primes.push(n)
  return primes
}
