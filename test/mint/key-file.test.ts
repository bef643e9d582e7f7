import t from 'tap'
import { keyText, makeKey, publicPart, readKeyText, SIGNING_ALGORITHMS } from '../../src/mint/key-file.ts'

const times = { generation: 3, createdAtMs: 1_000, signsFromMs: 2_000, keepMs: 60_000 }

t.test('a key of each algorithm is read as it was written, and its public part has no secret', async t => {
  for (const alg of SIGNING_ALGORITHMS) {
    const key = { ...makeKey(alg), ...times }
    t.strictSame(readKeyText(keyText(key), 3), key)
    for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) t.notOk(name in publicPart(key), name)
    t.match(publicPart(key), { kid: key.kid, alg, use: 'sig' })
  }
})

t.test('half of a file, another name, a foreign algorithm or a time that is none is no key', async t => {
  const key = { ...makeKey('ES256'), ...times }
  const text = keyText(key)
  const changed = (part: object) => JSON.stringify({ ...JSON.parse(text), ...part })
  for (const [what, bad] of Object.entries({
    half: text.slice(0, text.length / 2),
    empty: '',
    name: changed({ kid: 'other' }),
    algorithm: changed({ alg: 'EdDSA' }),
    hmac: changed({ alg: 'HS256' }),
    time: changed({ signsFrom: 'soon' }),
    keep: changed({ keepMs: -1 }),
    public: changed({ jwk: { ...key.jwk, d: undefined } }),
    list: '[]'
  })) {
    t.equal(readKeyText(bad, 3), null, what)
  }
})
