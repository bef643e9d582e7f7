import { readFileSync } from 'node:fs'
import { createLocalJWKSet, jwtVerify } from 'jose'
import t from 'tap'
import { openKeyRing, SIGNING_ALGORITHMS } from '../../src/mint/key-ring.ts'
import { signToken } from '../../src/mint/sign.ts'

const wish = {
  issuer: 'https://i',
  audience: 'a',
  subject: 's',
  team: 'red',
  scopes: ['x', 'y'],
  role: null,
  ttlSec: 60
}

t.test('a token of each algorithm verifies with the public set and says what was wished', async t => {
  for (const algorithm of SIGNING_ALGORITHMS) {
    const ring = openKeyRing(`${t.testdirName}-${algorithm}`, { algorithm })
    const token = await signToken(ring.signing, wish, Date.now())
    const keys = createLocalJWKSet(JSON.parse(readFileSync(ring.jwksFile, 'utf8')))
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer: 'https://i',
      audience: 'a',
      typ: 'at+jwt'
    })
    t.match(payload, { sub: 's', team_id: 'red', scope: 'x y' })
    t.equal((payload.exp ?? 0) - (payload.iat ?? 0), 60)
    t.equal(Buffer.from(String(payload.jti), 'base64url').length, 16)
    t.equal(protectedHeader.alg, algorithm)
    t.notOk('role' in payload)
  }
})
