import t, { type Test } from 'tap'
import { createTeller, type TellerInit } from '../../src/bill/teller.ts'
import { writeSegment } from '../helpers/bills.ts'

const who = (sub: string) => ({ iss: 'https://idp.example.com', sub, team: 'team-a' })
const STUBBORN = new URL('../helpers/stubborn-thread.ts', import.meta.url)
const UNAVAILABLE = { code: 'TOLLGATE_BILL_UNAVAILABLE' }

function teller(t: Test, init: Partial<TellerInit> = {}) {
  const log: string[] = []
  const made = createTeller({
    dir: t.testdirName,
    timeZone: 'UTC',
    log: { warn: (_, message) => log.push(message), error: (_, message) => log.push(message) },
    ...init
  })
  t.teardown(() => made.close())
  made.start()
  return { ...made, log }
}

t.test('questions are answered by the thread, and the same one is asked once at a time', async t => {
  const dir = t.testdir()
  writeSegment(dir, [{ time: new Date().toISOString() }])
  const { ask } = teller(t, { dir })
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask(who('u-1'))))
  t.match(answers[0], { sub: 'u-1', month: { total: { requests: 1 } } })
  for (const answer of answers) t.equal(answer, answers[0])
  // For a second, it stands.
  t.equal(await ask(who('u-1')), answers[0])
  t.match(await ask(who('u-2')), { sub: 'u-2', month: { total: { requests: 0 } } })
})

t.test('who waits too long is told so, and does not hold up others', async t => {
  const { ask } = teller(t, { file: STUBBORN, patienceMs: 20 })
  await t.rejects(ask(who('late')), { ...UNAVAILABLE, detail: { why: 'it takes too long' } })
  await t.rejects(ask(who('late')), UNAVAILABLE)
})

t.test('only so many questions wait, and only so many people', async t => {
  const { ask } = teller(t, { file: STUBBORN, patienceMs: 60_000 })
  const inTeam = (n: number) => ask({ ...who('late'), team: `t-${n}` })
  const waiting = Array.from({ length: 256 }, (_, n) => inTeam(n))
  await t.rejects(inTeam(256), { ...UNAVAILABLE, detail: { why: 'too much is asked' } })
  for (let n = waiting.length; n < 1_000; n++) waiting.push(inTeam(0))
  await t.rejects(inTeam(0), { ...UNAVAILABLE, detail: { why: 'too much is asked' } })
  for (const one of waiting) one.catch(() => {})
})

t.test('a thread that dies leaves nobody waiting', async t => {
  const { ask } = teller(t, { file: STUBBORN, patienceMs: 60_000 })
  const all = await Promise.allSettled([ask(who('late')), ask(who('late')), ask(who('die'))])
  for (const one of all) t.match(one, { status: 'rejected', reason: UNAVAILABLE })
})

t.test('a thread that dies is told of and begun again', async t => {
  const { ask, log } = teller(t, { file: STUBBORN })
  await t.rejects(ask(who('die')), { ...UNAVAILABLE, detail: { why: 'the thread has ended' } })
  await t.rejects(ask(who('u-1')), { ...UNAVAILABLE, detail: { why: 'the thread is away' } })
  for (;;) {
    const answer = await ask(who('u-1')).catch(() => null)
    if (answer !== null) break
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  t.strictSame(log, ['usage cannot be added up; it is tried again', 'usage is added up again'])
})

t.test('a folder that cannot be added up is told of once, and not for ever', async t => {
  const { ask, log } = teller(t, { dir: `${t.testdir()}/none` })
  await t.rejects(ask(who('u-1')), UNAVAILABLE)
  await t.rejects(ask(who('u-1')), UNAVAILABLE)
  t.strictSame(log, ['usage cannot be added up; it is tried again'])
})

t.test('a name that the ledger cuts is nobody’s', async t => {
  const { ask } = teller(t, { file: STUBBORN })
  await t.rejects(ask(who('x'.repeat(257))), UNAVAILABLE)
  t.ok(await ask(who('x'.repeat(256))))
})

t.test('a teller that was not started can be closed', async t => {
  const made = createTeller({ dir: t.testdirName, timeZone: 'UTC', log: { warn() {}, error() {} } })
  await made.close()
  await t.rejects(made.ask(who('u-1')), UNAVAILABLE)
})
