import { readFileSync, statSync } from 'node:fs'
import t from 'tap'
import { type Revocable, RevocationIndex } from '../../src/authenticate/revocation-index.ts'
import { writeKept } from '../../src/authenticate/revocation-keep.ts'
import { MAX_REVOCATIONS } from '../../src/authenticate/revocation-store.ts'
import { Revocations } from '../../src/authenticate/revocations.ts'
import { loadRevocations } from '../../src/config/revocations.ts'
import { createClock } from '../helpers/clock.ts'
import { issuerOptions } from '../helpers/issuer-options.ts'
import { MemoryRevocations, revocation } from '../helpers/revocations.ts'

const NOW = Date.parse('2026-01-31T12:00:00Z')
const ISSUERS = [issuerOptions({ issuer: 'https://idp', keys: { kind: 'discovery' } })]
const who = (of: Partial<Revocable> = {}): Revocable => ({
  iss: 'https://idp',
  sub: 'u-1',
  team: 'red',
  jti: 'j-1',
  kid: 'k-1',
  iatSec: NOW / 1000 - 60,
  ...of
})

const open = (clock = createClock(NOW), keep: string | null = null) =>
  new Revocations({ file: null, keep, cutStreams: false }, ISSUERS, {
    nowMs: clock.nowMs,
    log: { warn() {}, error() {} },
    read: loadRevocations,
    shared: null,
    onCut() {}
  })

t.test(
  'a subject, a team, a token and a key are revoked by their exact names, tokens issued later are good',
  async t => {
    for (const [request, others] of [
      [{ sub: 'u-1' }, { sub: 'u-10' }],
      [{ team: 'red' }, { team: 'reds' }],
      [{ jti: 'j-1' }, { jti: null }],
      [{ kid: 'k-1' }, { kid: 'k-2' }]
    ] as const) {
      const revocations = open()
      t.equal(revocations.revokedBy(who()), null)
      const { revocation } = await revocations.add(request)
      t.equal(revocations.revokedBy(who()), revocation.id)
      t.equal(revocations.revokedBy(who(others)), null)
      if (!('team' in request)) t.equal(revocations.revokedBy(who({ iss: 'https://other' })), null)
      if ('sub' in request || 'team' in request) t.equal(revocations.revokedBy(who({ iatSec: NOW / 1000 })), null)
      await revocations.lift(revocation.id)
      t.equal(revocations.revokedBy(who()), null)
    }
  }
)

t.test('names that would be one when they are put together stay two', async t => {
  const index = new RevocationIndex([
    {
      id: 'r',
      kind: 'sub',
      iss: 'https://idp',
      value: 'a b',
      beforeMs: null,
      madeAtMs: 0,
      untilMs: null,
      cutStreams: false,
      reason: null,
      liftedAtMs: null
    }
  ])
  t.equal(index.find(who({ iss: 'https://idp a', sub: 'b' })), null)
  t.equal(index.find(who({ sub: 'a b' })), 'r')
})

t.test('a revocation ends when no token that it covers can live any more; that of a key does not', async t => {
  const clock = createClock(NOW)
  const revocations = open(clock)
  await revocations.add({ sub: 'u-1' })
  await revocations.add({ jti: 'j-1' })
  await revocations.add({ kid: 'k-1' })
  clock.advance(3_600_000 + 30_000 - 1)
  revocations.tick()
  t.equal(revocations.list().length, 3)
  clock.advance(1)
  revocations.tick()
  t.strictSame(
    revocations.list().map(({ kind }) => kind),
    ['kid']
  )
})

t.test('what is revoked is kept for the next start, for its owner alone', async t => {
  const file = `${t.testdir()}/kept.json`
  const { revocation, notes } = await open(undefined, file).add({ sub: 'u-1' })
  t.strictSame(notes, [])
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(open(undefined, file).revokedBy(who()), revocation.id)
  t.match((await open().add({ sub: 'u-1' })).notes, [/until this gate ends/])
})

t.test('there is a cap, with a sentence, and what has ended makes room', async t => {
  const clock = createClock(NOW)
  const revocations = open(clock)
  for (let i = 0; i < MAX_REVOCATIONS; i++) await revocations.add({ jti: `j-${i}` })
  await t.rejects(revocations.add({ jti: 'one-too-many' }), { message: /5000 revocations are known already/ })
  const { isNew } = await revocations.add({ jti: 'j-7' })
  t.equal(isNew, false, 'what is revoked already takes no room')
  clock.advance(3_630_000)
  t.equal((await revocations.add({ jti: 'one-too-many' })).isNew, true)
  t.equal(revocations.list().length, 1)
})

t.test('what cannot be revoked is said clearly', async t => {
  const revocations = open()
  for (const [request, words] of [
    [null, /JSON object/],
    [{}, /exactly one/],
    [{ sub: 'u', team: 'red' }, /exactly one/],
    [{ sub: 'u', issuer: 'nobody' }, /no issuer is called "nobody"/],
    [{ sub: 'u', issued_before: '2026-01-31T12:00:01Z' }, /future/],
    [{ sub: 'u', issued_before: 'yesterday' }, /a time such as/],
    [{ sub: 'u', issued_before: '2026-01-30T12:00:00Z' }, /can live any more/],
    [{ jti: 'j', issued_before: '2026-01-31T11:59:00Z' }, /as a whole/],
    [{ sub: 'u', until: 1 }, /unknown member "until"/],
    [{ sub: 'u', reason: 'a\nb' }, /one line/]
  ] as const)
    await t.rejects(revocations.add(request), { message: words })
  await t.rejects(revocations.lift('x'), { message: /nothing is revoked as "x"/ })
})

t.test('who only looks knows what a gate has kept and what gates share, and changes neither', async t => {
  const keep = `${t.testdir()}/kept.json`
  writeKept(keep, [
    revocation({ id: 'kept', value: 'u-1', beforeMs: NOW, untilMs: NOW + 60_000 }),
    revocation({ id: 'ended', value: 'u-2', beforeMs: 1, untilMs: 2 })
  ])
  const before = readFileSync(keep, 'utf8')
  const shared = new MemoryRevocations()
  await shared.put(revocation({ id: 'theirs', value: 'u-3', beforeMs: NOW, untilMs: NOW + 60_000 }))
  const looking = new Revocations({ file: null, keep, isReadOnly: true, cutStreams: false }, ISSUERS, {
    nowMs: () => NOW,
    log: { warn() {}, error() {} },
    read: loadRevocations,
    shared,
    onCut() {}
  })
  t.equal(await looking.isRead({ withinMs: 1_000 }), true)
  t.equal(looking.revokedBy(who()), 'kept')
  t.equal(looking.revokedBy(who({ sub: 'u-3' })), 'theirs')
  await looking.tick()
  await looking.close()
  t.strictSame(
    (await shared.read(null))?.all.map(({ id }) => id),
    ['theirs']
  )
  t.equal(readFileSync(keep, 'utf8'), before)
})
