import { createHash, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { keyFromSecret, readKeySet } from '../../src/authenticate/jwk.ts'

const jwkOf = (pair: { publicKey: { export(options: { format: 'jwk' }): object } }) =>
  pair.publicKey.export({ format: 'jwk' }) as Record<string, string>
const rsa = jwkOf(generateKeyPairSync('rsa', { modulusLength: 2048 }))
const ec = jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }))
const ed = jwkOf(generateKeyPairSync('ed25519'))
const one = (jwk: object) => readKeySet({ keys: [jwk] })

t.test('V4: a key is used with the algorithms of its kind, and with its own alone when it names one', async t => {
  t.strictSame([...(one(rsa).keys[0]?.algorithms ?? [])], ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'])
  t.strictSame([...(one({ ...rsa, alg: 'PS256' }).keys[0]?.algorithms ?? [])], ['PS256'])
  t.strictSame([...(one(ec).keys[0]?.algorithms ?? [])], ['ES256'])
  t.strictSame([...(one({ ...ed, alg: 'Ed25519' }).keys[0]?.algorithms ?? [])], ['EdDSA', 'Ed25519'])
  t.equal(one({ ...rsa, alg: 'ES256' }).keys.length, 0)
  t.equal(one({ ...rsa, alg: 'HS256' }).keys.length, 0)
})

t.test('V5: secret, private, foreign, weak and odd keys are left out, each with a word why', async t => {
  const weak = jwkOf(generateKeyPairSync('rsa', { modulusLength: 1024 }))
  const privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const refused: [string, unknown][] = [
    ['oct', { kty: 'oct', k: 'c2VjcmV0' }],
    ['private', privateKey],
    ['use', { ...ec, use: 'enc' }],
    ['key_ops', { ...ec, key_ops: ['sign'] }],
    ['1024 bits', weak],
    ['exponent 1', { ...rsa, e: 'AQ' }],
    ['exponent 2', { ...rsa, e: 'Ag' }],
    ['another curve', { ...ec, crv: 'secp256k1' }],
    ['a point off the curve', { ...ec, y: ec.x }],
    ['X25519', { ...ed, crv: 'X25519' }],
    ['no object', 'x'],
    ['kid', { ...ec, kid: 1 }]
  ]
  for (const [name, jwk] of refused) {
    const { keys, refused } = readKeySet({ keys: [jwk] })
    t.equal(keys.length, 0, name)
    t.equal(refused.length, 1, name)
  }
  t.equal(one({ ...ec, use: 'sig', key_ops: ['verify'] }).keys.length, 1)
})

t.test('V5: what is no key set, or one of more than 64 keys, is refused whole', async t => {
  for (const set of [null, [], {}, { keys: {} }, { keys: Array(65).fill(ec) }])
    t.throws(() => readKeySet(set), TypeError)
})

t.test('C5: a key is known by its RFC 7638 thumbprint', async t => {
  // The key and thumbprint of RFC 7638 section 3.1.
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
  t.equal(one({ kty: 'RSA', n, e: 'AQAB' }).keys[0]?.thumbprint, 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
})

t.test('V29: a shared secret verifies HS256 alone', async t => {
  const key = keyFromSecret(Buffer.alloc(32, 1))
  t.strictSame([...key.algorithms], ['HS256'])
  t.equal(key.thumbprint, createHash('sha256').update(Buffer.alloc(32, 1)).digest('base64url'))
})
