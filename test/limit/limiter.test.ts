import t from 'tap'
import { GateError } from '../../src/errors.ts'
import type { Exchange } from '../../src/exchange.ts'
import { Limiter, type Verdict } from '../../src/limit/limiter.ts'
import { openLimits } from '../../src/limit/limits.ts'
import { createClock } from '../helpers/clock.ts'
import { answered, asking, chat, client, identity, limitOptions, limits, team, usage } from '../helpers/limit-scene.ts'

const START = Date.parse('2026-03-04T12:00:00Z')

function scene(options: Parameters<typeof limitOptions>[0]) {
  const clock = createClock(START)
  const base = openLimits({ nowMs: clock.nowMs })
  let limiter = new Limiter(limitOptions(options), base)
  return {
    clock,
    base,
    reload: (next: Parameters<typeof limitOptions>[0]) => {
      limiter = new Limiter(limitOptions(next), base)
    },
    budgetsOf: (name: string) => limiter.budgetsOf(name),
    admit: (exchange: Exchange) => limiter.admit(exchange) as Verdict,
    describe: async (models: string[] = []) =>
      (await limiter.describe({ identity: identity(), client: client() }, models)) as {
        limits: { name: string; remaining: number | null; reset: string | null }[]
      }
  }
}

const codeOf = ({ error }: Verdict) => error?.code ?? null
/** What is thrown instead of a verdict. */
const refusalBy = (decide: () => Verdict): GateError => {
  try {
    throw new Error(`no refusal but ${codeOf(decide())}`)
  } catch (err) {
    if (err instanceof GateError) return err
    throw err
  }
}

t.test('where nothing limits a call, nothing is reserved and nothing is said', async t => {
  const { admit, base } = scene({})
  t.strictSame(admit(chat()), { headers: [], reservation: null, shadowed: [], error: null })
  t.equal((base.store as unknown as { size: number }).size, 0)
})

t.test('the request over the limit is refused with when to come again, and comes again then', async t => {
  const { admit, clock } = scene({ subject: limits({ rpm: 2 }) })
  t.equal(codeOf(admit(chat())), null)
  t.equal(codeOf(admit(chat())), null)
  const refused = admit(chat())
  t.equal(codeOf(refused), 'TOLLGATE_LIMIT_RATE')
  t.match(refused.error?.told, {
    status: 429,
    code: 'rate_limit_exceeded',
    message: 'Your limit of 2 requests per minute is reached. Try again in 30s.',
    retryAfterSec: 30
  })
  t.match(Object.fromEntries(refused.headers), {
    'retry-after-ms': '30000',
    'x-ratelimit-limit-requests': '2',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': '1m0s'
  })
  clock.advance(30_000)
  t.equal(codeOf(admit(chat())), null)
})

t.test('what an engine has counted takes the place of what was reserved, once', async t => {
  const { admit, describe } = scene({ subject: limits({ tpm: 10_000 }) })
  const exchange = chat()
  const { reservation } = admit(exchange)
  t.ok(((await describe()).limits[0]?.remaining ?? 0) < 9_600)
  answered(exchange, usage({ inputTokens: 100, outputTokens: 200 }))
  reservation?.settle(exchange)
  reservation?.settle(exchange)
  t.equal((await describe()).limits[0]?.remaining, 9_700)
})

t.test('an answer that is longer than was reserved leaves a debt, which is paid before anybody is let in', async t => {
  const { admit, clock } = scene({ subject: limits({ tpm: 1_000 }) })
  const exchange = chat()
  admit(exchange).reservation?.settle(answered(exchange, usage({ inputTokens: 0, outputTokens: 3_000 })))
  const refused = admit(chat())
  t.equal(codeOf(refused), 'TOLLGATE_LIMIT_TOKENS')
  clock.advance(120_000)
  t.equal(codeOf(admit(chat())), 'TOLLGATE_LIMIT_TOKENS')
  clock.advance(40_000)
  t.equal(codeOf(admit(chat())), null)
})

t.test('a call that no engine took costs nothing, whatever has refused it', async t => {
  const { admit, describe } = scene({ subject: limits({ tpm: 10_000, rpm: 5, concurrent: 1 }) })
  for (const failure of [new GateError('TOLLGATE_ROUTE_FULL'), new GateError('TOLLGATE_FORWARD_REJECTED')]) {
    const exchange = chat()
    const { reservation } = admit(exchange)
    Object.assign(exchange, { failure, status: failure.row.status, attempts: 1 })
    reservation?.settle(exchange)
    t.match(await describe(), { limits: [{ remaining: 5 }, { remaining: 10_000 }, { remaining: 1 }] })
  }
})

t.test('who leaves while an engine works pays what was reserved; who leaves the queue pays nothing', async t => {
  const { admit, describe } = scene({ subject: limits({ tpm: 10_000 }) })
  const queued = chat()
  const first = admit(queued).reservation
  queued.ending = 'client_left'
  first?.settle(queued)
  t.match(await describe(), { limits: [{ remaining: 10_000 }] })
  const sent = chat()
  const second = admit(sent).reservation
  Object.assign(sent, {
    ending: 'client_left',
    attempts: 1,
    usage: usage({ source: 'none', inputTokens: null, outputTokens: null })
  })
  second?.settle(sent)
  t.ok(((await describe()).limits[0]?.remaining ?? 10_000) < 9_600)
})

t.test('calls at once are bounded, and one that ends makes room', async t => {
  const { admit } = scene({ teams: new Map([['team-a', team({ team: limits({ concurrent: 2, rpm: 100 }) })]]) })
  const first = chat()
  const { reservation } = admit(first)
  admit(chat())
  const refused = admit(chat())
  t.equal(codeOf(refused), 'TOLLGATE_LIMIT_CONCURRENCY')
  t.match(refused.error?.told, { status: 429, code: 'concurrency_limit_exceeded', retryAfterSec: 1 })
  t.match(refused.error?.message, 'calls at once')
  t.match(Object.fromEntries(refused.headers), { 'x-ratelimit-remaining-requests': '98' })
  reservation?.settle(answered(first))
  t.equal(codeOf(admit(chat())), null)
})

t.test('a budget that is used up says so, and that trying again soon is of no use', async t => {
  const budgets = [{ tokens: 1_000, requests: null, per: 'day', tz: 'UTC', isShadow: false }] as const
  const { admit, clock } = scene({ teams: new Map([['team-a', team({ team: limits({ budgets }) })]]) })
  const exchange = chat()
  admit(exchange).reservation?.settle(answered(exchange, usage({ inputTokens: 1_000, outputTokens: 0 })))
  const refused = admit(chat())
  t.equal(codeOf(refused), 'TOLLGATE_LIMIT_BUDGET')
  t.match(refused.error?.told, { status: 429, code: 'insufficient_quota', retryAfterSec: 12 * 3_600 })
  t.equal(refused.error?.row.shouldRetry, false)
  clock.advance(12 * 3_600_000)
  t.equal(codeOf(admit(chat())), null)
})

t.test('a request that no bucket can ever hold is refused for good, not until later', async t => {
  const { admit } = scene({ subject: limits({ tpm: 100 }) })
  const refused = refusalBy(() => admit(chat({ messages: [{ role: 'user', content: 'x'.repeat(4_000) }] })))
  t.equal(refused.code, 'TOLLGATE_LIMIT_TOO_LARGE')
  t.match(refused.told, { status: 400, code: 'request_too_large_for_limit' })
  t.match(refused.told.message, /needs about \d+ tokens\. Your limit of 100 tokens per minute can never hold them\./)
  t.equal(refused.row.shouldRetry, false)
  t.equal(codeOf(admit(chat())), null)
})

t.test('limits in shadow refuse nobody, are written down, and are counted', async t => {
  const { admit, base } = scene({
    subject: limits({ rpm: 1, isShadow: true }),
    global: limits({ rpm: 100 })
  })
  t.strictSame(admit(chat()).shadowed, [])
  const second = admit(chat())
  t.strictSame(second.shadowed, ['user.rpm'])
  t.equal(second.error, null)
  t.strictSame(second.headers, [], 'what is in shadow is not told of, nor what others share')
  t.match(
    [...base.tally.all()].find(({ policy }) => policy === 'user.rpm'),
    { counts: { near: 1, deny: 0, shadow_deny: 1 } }
  )
})

t.test('how much of its budgets a team has used is there to be read, whatever else limits it', async t => {
  const budgets = [{ tokens: 1_000, requests: 10, per: 'month', tz: 'UTC', isShadow: false }] as const
  const { admit, budgetsOf } = scene({
    teams: new Map([
      ['team-a', team({ team: limits({ budgets, rpm: 5 }), subject: limits({ budgets }) })],
      ['*', team({ team: limits({ budgets }) })]
    ])
  })
  const exchange = chat()
  admit(exchange).reservation?.settle(answered(exchange, usage({ inputTokens: 1_000, outputTokens: 500 })))
  t.strictSame(budgetsOf('team-a'), [
    { budget: 'tokens_per_month', ratio: 1.5 },
    { budget: 'requests_per_month', ratio: 0.1 }
  ])
  t.strictSame([budgetsOf('*'), budgetsOf('nobody')], [[], []])
})

t.test('how long a call waits for its limits is told, of calls that have any', async t => {
  const told: [string, number][] = []
  const base = openLimits({ nowMs: () => START, onReserved: (...of) => told.push(of) })
  new Limiter(limitOptions({}), base).admit(chat())
  t.strictSame(told, [])
  new Limiter(limitOptions({ subject: limits({ rpm: 1 }) }), base).admit(chat())
  t.equal(told[0]?.[0], 'memory')
  t.ok((told[0]?.[1] ?? -1) >= 0)
})

t.test('a suspended team is refused with its own code, and reads its limits all the same', async t => {
  const { admit } = scene({ teams: new Map([['team-a', team({ isSuspended: true })]]) })
  t.equal(refusalBy(() => admit(chat())).code, 'TOLLGATE_LIMIT_SUSPENDED')
  const own = chat()
  own.call = { ...own.call, operation: 'limits', kind: 'none', model: null }
  t.equal(codeOf(admit(own)), null)
})

t.test('the gate lists models and limits for nothing', async t => {
  const { admit } = scene({ subject: limits({ rpm: 1 }) })
  for (const operation of ['models', 'model', 'limits', 'models', 'limits']) {
    const exchange = chat()
    exchange.call = { ...exchange.call, operation, kind: 'none' }
    t.equal(codeOf(admit(exchange)), null)
  }
})

t.test('a reload that changes an amount keeps what was used', async t => {
  const { admit, reload } = scene({ subject: limits({ rpm: 4 }) })
  for (let i = 0; i < 3; i++) t.equal(codeOf(admit(chat())), null)
  reload({ subject: limits({ rpm: 3 }) })
  t.equal(codeOf(admit(chat())), 'TOLLGATE_LIMIT_RATE')
  reload({ subject: limits({ rpm: 5 }) })
  t.equal(codeOf(admit(chat())), null)
  t.equal(codeOf(admit(chat())), null)
  t.equal(codeOf(admit(chat())), 'TOLLGATE_LIMIT_RATE')
})

t.test('refused by one limit, a call draws from none', async t => {
  const { admit, describe } = scene({
    subject: limits({ rpm: 10, concurrent: 10 }),
    teams: new Map([['team-a', team({ team: limits({ rpm: 1 }) })]])
  })
  admit(chat())
  for (let i = 0; i < 5; i++) t.equal(codeOf(admit(chat())), 'TOLLGATE_LIMIT_RATE')
  t.match(await describe(), {
    limits: [
      { name: 'user.rpm', remaining: 9, reset: '6s' },
      { name: 'user.concurrent', remaining: 9, reset: null },
      { name: 'team.rpm', remaining: 0 }
    ]
  })
})

t.test('what is left of limits that all teams share is told to none of them', async t => {
  const { describe } = scene({ global: limits({ rpm: 10 }), models: new Map([['m', limits({ tpm: 5 })]]) })
  t.match(await describe(['m']), {
    limits: [
      { name: 'global.rpm', limit: 10, remaining: null, reset: null },
      { name: 'model.tpm', model: 'm', limit: 5, remaining: null, reset: null }
    ]
  })
})

t.test(
  'a call for many answers that uses far more than a shared limit holds keeps no other team out for long',
  async t => {
    for (const [name, options] of Object.entries({
      global: { global: limits({ tpm: 10_000 }) },
      model: { models: new Map([['m', limits({ tpm: 10_000 })]]) }
    })) {
      const { admit, clock } = scene({
        ...options,
        teams: new Map([['team-a', team({ team: limits({ tpm: 10_000 }) })]])
      })
      const prompt = Array.from({ length: 64 }, () => 'write a book')
      const greedy = chat({ prompt, n: 4, max_tokens: 32_000 })
      admit(greedy).reservation?.settle(answered(greedy, usage({ inputTokens: 256, outputTokens: 256_000 })))
      const other = () => chat({ max_tokens: 100 }, { team: 'team-b', sub: 'u-2' })
      t.equal(codeOf(admit(other())), 'TOLLGATE_LIMIT_TOKENS', name)
      clock.advance(35_000)
      t.equal(codeOf(admit(other())), null, `${name}: the other team goes on`)
      t.equal(codeOf(admit(chat())), 'TOLLGATE_LIMIT_TOKENS', `${name}: its own limit has all of it`)
      clock.advance(20 * 60_000)
      t.equal(codeOf(admit(chat())), 'TOLLGATE_LIMIT_TOKENS', name)
      clock.advance(10 * 60_000)
      t.equal(codeOf(admit(chat())), null, name)
    }
  }
)

t.test('what is reserved counts every answer, and is learned of one', async t => {
  const { admit, describe } = scene({ subject: limits({ tpm: 1_000_000 }) })
  const prompt = Array.from({ length: 64 }, () => 'x')
  const of = async (fields: object) => {
    const before = (await describe()).limits[0]?.remaining ?? 0
    const exchange = asking('completions', fields)
    const { reservation } = admit(exchange)
    const reserved = before - ((await describe()).limits[0]?.remaining ?? 0)
    reservation?.settle(answered(exchange, usage({ inputTokens: 1, outputTokens: 64 * 4 * 10 })))
    return reserved
  }
  t.ok((await of({ prompt, n: 4, max_tokens: 100 })) >= 25_600)
  for (let i = 0; i < 40; i++) await of({ prompt, n: 4, max_tokens: 100 })
  const learned = await of({ prompt: 'x', max_tokens: 100 })
  t.ok(learned < 30, `one answer: ${learned}`)
})

t.test('a refusal by a shared limit says nothing of what others have used', async t => {
  const { admit } = scene({ global: limits({ tpm: 10_000 }) })
  const other = chat({}, { team: 'team-b', sub: 'u-2' })
  admit(other).reservation?.settle(answered(other, usage({ inputTokens: 9_876, outputTokens: 0 })))
  const refused = admit(chat({ max_tokens: 200 }))
  t.equal(codeOf(refused), 'TOLLGATE_LIMIT_TOKENS')
  t.strictSame(refused.headers, [['retry-after-ms', '1000']])
  t.match(refused.error?.told, {
    retryAfterSec: 1,
    message: "This gate's limit of 10000 tokens per minute is reached. Try again in 1s."
  })
})
