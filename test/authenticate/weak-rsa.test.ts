import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { readKeySet } from '../../src/authenticate/jwk.ts'
import { isRocaModulus } from '../../src/authenticate/weak-rsa.ts'

const base64url = (number: bigint) => {
  const hex = number.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url')
}

/** A number of so many bits whose remainder by the product of the first 126 primes is a power of 65537. */
function rocaModulus(bits: number, power: number): bigint {
  let product = 2n
  for (let n = 3n, count = 1; count < 126; n += 2n) {
    if (isPrime(n)) {
      product *= n
      count++
    }
  }
  let remainder = 1n
  for (let i = 0; i < power; i++) remainder = (remainder * 65_537n) % product
  const top = 3n << BigInt(bits - 2)
  return top - (top % product) + product + remainder
}

function isPrime(n: bigint): boolean {
  for (let d = 3n; d * d <= n; d += 2n) if (n % d === 0n) return false
  return true
}

t.test('a key that a faulty chip made is left out, and said to be weak', async t => {
  for (const [bits, power] of [
    [2048, 12_345],
    [3072, 7],
    [4096, 999]
  ] as const) {
    const n = base64url(rocaModulus(bits, power))
    t.ok(isRocaModulus(n), `${bits} bits`)
    const { keys, refused } = readKeySet({ keys: [{ kty: 'RSA', n, e: 'AQAB' }] })
    t.equal(keys.length, 0)
    t.match(refused, [/CVE-2017-15361/])
  }
})

t.test('a key that differs from such a one by two, or was made otherwise, is not', async t => {
  t.notOk(isRocaModulus(base64url(rocaModulus(2048, 12_345) + 2n)))
  for (const modulusLength of [2048, 3072]) {
    const { n } = generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' })
    t.notOk(isRocaModulus(n ?? ''))
  }
})
