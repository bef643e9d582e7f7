import { decodeJwt, decodeProtectedHeader } from 'jose'
import t, { type Test } from 'tap'
import type { Client, Issue } from '../../src/caller.ts'
import type { ApiKey, User } from '../../src/mint/accounts.ts'
import { makeApiKey } from '../../src/mint/api-keys.ts'
import { API_KEY_TYPE, createDesk, type DeskOptions, TOKEN_EXCHANGE } from '../../src/mint/desk.ts'
import { openKeyRing } from '../../src/mint/key-ring.ts'
import { PasswordThreads } from '../../src/mint/password-threads.ts'
import type { PasswordHash } from '../../src/mint/passwords.ts'
import { FROM_ADDRESS, MemoryThrottle } from '../../src/mint/throttle.ts'
import { apiKeyOf, CHEAP, clientAt, userOf } from '../helpers/accounts.ts'
import { createClock } from '../helpers/clock.ts'

const START = Date.parse('2026-06-01T12:00:00Z')
const threads = new PasswordThreads()
t.teardown(() => threads.close())
const verify = (password: string, kept: PasswordHash) => threads.verify(password, kept)

async function scene(
  t: Test,
  of: {
    users?: readonly User[]
    keys?: readonly ApiKey[]
    options?: Partial<DeskOptions>
    verify?: (password: string, kept: PasswordHash) => Promise<boolean>
  } = {}
) {
  const clock = createClock(START)
  const users = new Map((of.users ?? []).map(user => [user.subject, user]))
  const apiKeys = new Map((of.keys ?? []).map(key => [key.id, key]))
  const hashed: PasswordHash[] = []
  const noted: { client: Client; weight: number; what: string }[] = []
  const desk = createDesk({
    nowMs: clock.nowMs,
    options: () => ({ issuer: 'https://gate.example.com', audience: 'inference', ttlMs: 900_000, ...of.options }),
    ring: openKeyRing(`${t.testdir()}/keys`),
    accounts: () => ({ users, apiKeys }),
    throttle: new MemoryThrottle({ nowMs: clock.nowMs }),
    note: (client, weight, what) => noted.push({ client, weight, what }),
    verify: async (password, kept) => {
      hashed.push(kept)
      return await (of.verify ?? verify)(password, kept)
    }
  })
  const ask = (
    by: 'login' | 'token',
    parameters: Record<string, string>,
    { authorization, ip = '203.0.113.7' }: { authorization?: string; ip?: string } = {}
  ) => {
    const told: Partial<Issue> = {}
    const answer = desk[by]({
      parameters: new Map(Object.entries(parameters)),
      authorization,
      client: clientAt(ip),
      tell: known => Object.assign(told, known)
    })
    return { answer, told }
  }
  const login = (username: string, password: string, more: Record<string, string> = {}, ip?: string) =>
    ask('login', { username, password, ...more }, ip === undefined ? {} : { ip })
  const refusal = async (answer: Promise<unknown>) =>
    await answer.then(
      () => 'none',
      err => err
    )
  return { ask, login, refusal, clock, hashed, noted, users, apiKeys }
}

t.test('a name and its password give a token of RFC 9068, and the audit line its facts', async t => {
  const { login } = await scene(t, { users: [await userOf('ada', 'right', { role: 'developer' })] })
  const { answer, told } = login('Ada', 'right')
  const { access_token, ...rest } = await answer
  t.strictSame(rest, { token_type: 'Bearer', expires_in: 900, scope: 'infer:text infer:multimodal' })
  t.match(decodeProtectedHeader(access_token), { typ: 'at+jwt', alg: 'ES256' })
  const claims = decodeJwt(access_token)
  t.match(claims, {
    iss: 'https://gate.example.com',
    aud: 'inference',
    sub: 'ada',
    team_id: 'red',
    role: 'developer',
    client_id: 'login',
    scope: 'infer:text infer:multimodal',
    iat: START / 1000,
    exp: START / 1000 + 900
  })
  t.match(told, { grant: 'password', sub: 'ada', team: 'red', jti: claims.jti, expSec: claims.exp })
})

t.test('a wrong password, an unknown user, a suspended one and one that has expired get one answer', async t => {
  const { login, refusal, noted } = await scene(t, {
    users: [
      await userOf('ada', 'right'),
      await userOf('sue', 'right', { isSuspended: true }),
      await userOf('old', 'right', { expiresAtMs: START })
    ]
  })
  const reasons: unknown[] = []
  const told: unknown[] = []
  for (const [name, password] of [
    ['ada', 'wrong'],
    ['nobody', 'right'],
    ['not a name', 'right'],
    ['sue', 'right'],
    ['sue', 'wrong'],
    ['old', 'right']
  ] as const) {
    const err = await refusal(login(name, password).answer)
    t.equal(err.code, 'TOLLGATE_MINT_LOGIN')
    told.push(err.told)
    reasons.push(err.detail.reason)
  }
  t.equal(new Set(told.map(one => JSON.stringify(one))).size, 1)
  t.strictSame(reasons, ['wrong_password', 'unknown_user', 'unknown_user', 'suspended', 'wrong_password', 'expired'])
  t.equal(noted.length, 6)
})

t.test('each of them costs the gate one hash of the same kind, and a request that is throttled none', async t => {
  const { login, refusal, hashed } = await scene(t, {
    users: [await userOf('ada', 'right'), await userOf('sue', 'right', { isSuspended: true })]
  })
  for (const name of ['ada', 'nobody', 'sue', 'no name']) {
    hashed.length = 0
    await refusal(login(name, 'wrong').answer)
    t.match(hashed, [{ ...CHEAP, tag: { length: 32 }, salt: { length: 16 } }], name)
    t.equal(hashed.length, 1, name)
  }
  for (let i = 0; i < 10; i++) await refusal(login('ada', 'wrong').answer)
  hashed.length = 0
  t.match(await refusal(login('ada', 'right').answer), { code: 'TOLLGATE_MINT_THROTTLED' })
  t.equal(hashed.length, 0)
})

t.test('where passwords cost differently, names that nobody has cost what those of users do', async t => {
  const costly = { memoryKib: 128, passes: 2, lanes: 1 }
  const { hashPassword } = await import('../../src/mint/passwords.ts')
  const { login, refusal, hashed } = await scene(t, {
    users: [await userOf('ada', 'right'), await userOf('bob', 'x', { password: await hashPassword('x', costly) })]
  })
  for (let i = 0; i < 40; i++) await refusal(login(`nobody${i}`, 'x', {}, `10.0.0.${i}`).answer)
  const counted = new Set(hashed.map(({ memoryKib }) => memoryKib))
  t.strictSame([...counted].sort(), [128, 64])
  hashed.length = 0
  for (let i = 0; i < 3; i++) await refusal(login('nobody1', 'x', {}, '10.0.1.1').answer)
  t.equal(new Set(hashed.map(({ memoryKib }) => memoryKib)).size, 1, 'one name always costs the same')
})

t.test('guesses are told apart, the same mistake made again is not; nothing of a password is in it', async t => {
  const { login, refusal, noted } = await scene(t, { users: [await userOf('ada', 'right')] })
  for (const password of ['one', 'two', 'two']) await refusal(login('ada', password).answer)
  const [one, two, again] = noted
  t.not(one?.what, two?.what)
  t.equal(two?.what, again?.what)
  t.match(noted, [{ weight: 1, client: { ip: '203.0.113.7' } }])
  t.notMatch(JSON.stringify(noted), /one|two/)
})

t.test('who guesses has to wait, with the right password too, and is told for how long', async t => {
  const { login, refusal, clock } = await scene(t, { users: [await userOf('ada', 'right')] })
  for (let i = 0; i < 5; i++) await refusal(login('ada', 'wrong').answer)
  const err = await refusal(login('ada', 'right').answer)
  t.match(err, { code: 'TOLLGATE_MINT_THROTTLED', told: { status: 429, retryAfterSec: 1 } })
  t.ok((await login('ada', 'right', {}, '198.51.100.1').answer).access_token, 'the owner is not locked out elsewhere')
  for (let i = 0; i < 5; i++) await refusal(login('ada', 'wrong').answer)
  clock.advance(1_000)
  t.ok((await login('ada', 'right').answer).access_token)
})

t.test('logins that the gate cannot hash soon are sent away, and do not count as failed ones', async t => {
  const gate = Promise.withResolvers<boolean>()
  const { login, refusal } = await scene(t, { users: [await userOf('ada', 'right')], verify: () => gate.promise })
  const waiting = Array.from({ length: 66 }, (_, i) => refusal(login(`n${i}`, 'x', {}, `10.0.0.${i}`).answer))
  await new Promise(resolve => setImmediate(resolve))
  const err = await refusal(login('ada', 'right').answer)
  t.match(err, { code: 'TOLLGATE_MINT_BUSY', told: { status: 503, retryAfterSec: 2 } })
  gate.resolve(true)
  await Promise.all(waiting)
  t.ok((await login('ada', 'right').answer).access_token)
})

t.test('a storm of logins from one address sends nobody of another away', async t => {
  const { login, refusal, hashed } = await scene(t, {
    users: [await userOf('ada', 'right')],
    verify: async (password, kept) => {
      await new Promise(resolve => setImmediate(resolve))
      return await verify(password, kept)
    }
  })
  const storm = Array.from({ length: 90 }, (_, i) => refusal(login(`nobody${i}`, 'x', {}, '198.51.100.9').answer))
  for (let i = 0; i < 20; i++) {
    t.ok((await login('ada', 'right', {}, `203.0.113.${i}`).answer).access_token)
    if (i === 0) t.ok(hashed.length <= 10, `it waits for those that are hashed, and for one more: ${hashed.length}`)
  }
  const codes = (await Promise.all(storm)).map(({ code }) => code)
  t.equal(codes.filter(code => code === 'TOLLGATE_MINT_LOGIN').length, FROM_ADDRESS.free)
  t.ok(codes.includes('TOLLGATE_MINT_THROTTLED') && codes.includes('TOLLGATE_MINT_BUSY'))
})

t.test('a scope can be asked for, and never more than is granted', async t => {
  const { login, refusal } = await scene(t, { users: [await userOf('ada', 'right', { role: 'admin' })] })
  const some = await login('ada', 'right', { scope: 'infer:text tollgate:admin:write' }).answer
  t.equal(some.scope, 'infer:text')
  t.equal(decodeJwt(some.access_token).role, undefined, 'a role would open what was not asked for')
  t.match(await refusal(login('ada', 'right', { scope: 'tollgate:admin:write' }).answer), {
    code: 'TOLLGATE_MINT_SCOPE',
    told: { code: 'invalid_scope' }
  })
})

t.test('a token is for this gate, whatever it is asked for', async t => {
  const { login, refusal } = await scene(t, { users: [await userOf('ada', 'right')] })
  for (const more of [{ audience: 'other' }, { resource: 'https://other.example.com' }]) {
    t.match(await refusal(login('ada', 'right', more).answer), { told: { code: 'invalid_target' } })
  }
  t.ok(await login('ada', 'right', { audience: 'inference', resource: 'https://gate.example.com' }).answer)
})

t.test('a login without a name, without a password, or with a password of 129 letters is malformed', async t => {
  const { ask, refusal, hashed } = await scene(t, { users: [await userOf('ada', 'right')] })
  for (const parameters of [
    {},
    { username: 'ada' },
    { password: 'right' },
    { username: 'ada', password: 'x'.repeat(129) },
    { username: 'a'.repeat(257), password: 'x' }
  ] as Record<string, string>[]) {
    t.match(await refusal(ask('login', parameters).answer), { code: 'TOLLGATE_MINT_REQUEST' })
  }
  t.equal(hashed.length, 0)
})

t.test('what is typed for a name stands nowhere unless it is one', async t => {
  const { login, refusal } = await scene(t, { users: [await userOf('ada', 'right')] })
  const { answer, told } = login('my-password', 'ada')
  const err = await refusal(answer)
  t.notMatch(JSON.stringify([told, err.detail]), /my-password/)
})

const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

t.test('an API key is a client: its id and itself, in the header or in the body', async t => {
  const { key, kept } = apiKeyOf({ role: 'robot' })
  const { ask } = await scene(t, { keys: [kept] })
  for (const { answer, told } of [
    ask('token', { grant_type: 'client_credentials' }, { authorization: basic(kept.id, key) }),
    ask('token', { grant_type: 'client_credentials' }, { authorization: basic(`tg_${kept.id}`, key) }),
    ask('token', { grant_type: 'client_credentials', client_id: kept.id, client_secret: key }),
    ask('token', { grant_type: 'client_credentials', client_secret: key })
  ]) {
    const { access_token, ...rest } = await answer
    t.strictSame(rest, { token_type: 'Bearer', expires_in: 900, scope: 'infer:text infer:multimodal' })
    t.match(decodeJwt(access_token), { sub: 'robot', client_id: kept.id, team_id: 'red', role: 'robot' })
    t.match(told, { grant: 'client_credentials', sub: 'robot', clientId: kept.id })
  }
})

t.test('an API key is exchanged for a token, and the answer says what it is', async t => {
  const { key, kept } = apiKeyOf()
  const { ask } = await scene(t, { keys: [kept] })
  const exchange = { grant_type: TOKEN_EXCHANGE, subject_token: key, subject_token_type: API_KEY_TYPE }
  const { answer, told } = ask('token', { ...exchange, scope: 'infer:text' })
  const { access_token, ...rest } = await answer
  t.strictSame(rest, {
    token_type: 'Bearer',
    expires_in: 900,
    scope: 'infer:text',
    issued_token_type: 'urn:ietf:params:oauth:token-type:access_token'
  })
  t.match(decodeJwt(access_token), { sub: 'robot', client_id: kept.id })
  t.match(told, { grant: 'token_exchange', clientId: kept.id })
  t.ok(await ask('token', { ...exchange, client_secret: key }).answer)
})

t.test('no token lives on when its API key has expired', async t => {
  const { key, kept } = apiKeyOf({ expiresAtMs: START + 60_500 })
  const { ask, refusal, clock, noted } = await scene(t, { keys: [kept] })
  const again = () => ask('token', { grant_type: 'client_credentials', client_secret: key }).answer
  const { access_token, expires_in } = await again()
  t.equal(expires_in, 60)
  t.ok(Number(decodeJwt(access_token).exp) * 1000 <= Number(kept.expiresAtMs))
  clock.advance(59_999)
  t.equal((await again()).expires_in, 1)
  clock.advance(1)
  t.match(await refusal(again()), { code: 'TOLLGATE_MINT_CLIENT', detail: { reason: 'expired' } })
  t.equal(noted.length, 0, 'its holder has not guessed')
})

t.test('a key that is unknown, wrong, expired or used from elsewhere gets one answer', async t => {
  const { key, kept } = apiKeyOf({ from: ['10.0.0.0/8'] })
  const old = apiKeyOf({ expiresAtMs: START })
  const { ask, refusal, noted } = await scene(t, { keys: [kept, old.kept] })
  const wrong = `${key.slice(0, -1)}${key.endsWith('x') ? 'y' : 'x'}`
  const reasons: unknown[] = []
  const words = new Set<string>()
  for (const secret of [makeApiKey().key, wrong, old.key, key, 'something']) {
    const err = await refusal(ask('token', { grant_type: 'client_credentials', client_secret: secret }).answer)
    reasons.push(err.detail.reason)
    words.add(JSON.stringify(err.told))
    const parameters = { grant_type: TOKEN_EXCHANGE, subject_token: secret, subject_token_type: API_KEY_TYPE }
    t.match(await refusal(ask('token', parameters).answer), { code: 'TOLLGATE_MINT_SUBJECT' })
  }
  t.strictSame(reasons, ['unknown_key', 'wrong_secret', 'expired', 'address', 'unknown_key'])
  t.equal(words.size, 1)
  t.equal(noted.length, 6, 'only guesses count against an address')
  t.ok(await ask('token', { grant_type: 'client_credentials', client_secret: key }, { ip: '10.2.3.4' }).answer)
})

t.test('another client with a good key, and no client at all, are refused', async t => {
  const [one, other] = [apiKeyOf(), apiKeyOf()]
  const { ask, refusal } = await scene(t, { keys: [one.kept, other.kept] })
  const grant = { grant_type: 'client_credentials' }
  for (const { answer } of [
    ask('token', { ...grant, client_id: other.kept.id, client_secret: one.key }),
    ask('token', grant, { authorization: 'Bearer x' }),
    ask('token', grant)
  ]) {
    t.match(await refusal(answer), { told: { status: 401, code: 'invalid_client' } })
  }
})

t.test(
  'a grant that is not served, and what is missing or unknown in an exchange, are named by their errors',
  async t => {
    const { key, kept } = apiKeyOf()
    const { ask, refusal } = await scene(t, { keys: [kept], users: [await userOf('ada', 'right')] })
    const exchange = { grant_type: TOKEN_EXCHANGE, subject_token: key, subject_token_type: API_KEY_TYPE }
    const { subject_token: _, ...without } = exchange
    for (const [parameters, code] of [
      [{}, 'invalid_request'],
      [{ grant_type: 'password', username: 'ada', password: 'right' }, 'unsupported_grant_type'],
      [{ grant_type: 'refresh_token' }, 'unsupported_grant_type'],
      [without, 'invalid_request'],
      [{ ...exchange, subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' }, 'invalid_request'],
      [{ ...exchange, requested_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, 'invalid_request'],
      [{ ...exchange, actor_token: 'x' }, 'invalid_request'],
      [{ ...exchange, audience: 'other' }, 'invalid_target'],
      [{ ...exchange, scope: 'other' }, 'invalid_scope'],
      [{ ...exchange, client_secret: 'wrong' }, 'invalid_client']
    ] as [Record<string, string>, string][]) {
      t.match(await refusal(ask('token', parameters).answer), { told: { code } }, JSON.stringify(parameters))
    }
  }
)
