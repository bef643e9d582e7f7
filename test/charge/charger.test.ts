import t from 'tap'
import { createCharger } from '../../src/charge/charger.ts'
import type { GateErrorCode } from '../../src/codes.ts'
import { GateError } from '../../src/errors.ts'
import { Exchange } from '../../src/exchange.ts'
import { exchangeTo } from '../helpers/exchanges.ts'
import { ledgerIn, usagesIn } from '../helpers/ledger-files.ts'

const rules = { onAbort: 'estimate', onMissing: 'estimate' } as const

function identified(operation = 'chat'): Exchange {
  const exchange = exchangeTo({ engine: 'vllm', operation })
  exchange.identity = { iss: 'i', sub: 's', team: 'team-a', scopes: new Set() } as unknown as Exchange['identity']
  exchange.ending = 'answered'
  return exchange
}

t.test('a call is opened once and charged once; a refusal of somebody who was let in is charged', async t => {
  const dir = t.testdir()
  const { ledger } = ledgerIn(dir)
  const charger = createCharger({ ledger, ...rules, onFailure: 'continue' })
  const call = identified()
  charger.open(call, 'c')
  charger.charge(call, 'c')
  const refuse = (code: GateErrorCode, operation?: string) => {
    const refused = identified(operation)
    refused.failure = new GateError(code)
    charger.charge(refused, 'c')
  }
  for (const code of ['TOLLGATE_ROUTE_FULL', 'TOLLGATE_SHAPE_CAP', 'TOLLGATE_ROUTE_MODEL'] as const) refuse(code)
  // These are noise.
  for (const code of ['TOLLGATE_AUTHORIZE_SCOPE', 'TOLLGATE_INSPECT_FIELD', 'TOLLGATE_CHARGE_UNAVAILABLE'] as const)
    refuse(code)
  refuse('TOLLGATE_ROUTE_MODEL', 'model')
  charger.charge(identified('models'), 'c')
  const stranger = new Exchange({ id: 'x', startedAtMs: 0, method: 'GET', path: '/' })
  stranger.failure = new GateError('TOLLGATE_AUTHENTICATE_MISSING')
  charger.charge(stranger, 'c')
  await ledger.close()
  t.strictSame(
    usagesIn(dir).map(({ data }) => [data.call, data.outcome, data.code]),
    [
      [0, 'completed', null],
      [null, 'rejected', 'TOLLGATE_ROUTE_FULL'],
      [null, 'rejected', 'TOLLGATE_SHAPE_CAP'],
      [null, 'rejected', 'TOLLGATE_ROUTE_MODEL']
    ]
  )
})

t.test('a call that could not be written down is refused, where the operator has said so', async t => {
  const lost = { isWell: false, open: () => null, charge: () => {} }
  const asked = (onFailure: 'continue' | 'reject') => {
    const exchange = identified()
    createCharger({ ledger: lost, ...rules, onFailure }).open(exchange, 'c')
    return exchange.opened
  }
  t.throws(() => asked('reject'), { code: 'TOLLGATE_CHARGE_UNAVAILABLE' })
  t.equal(asked('continue'), 'lost')
})

t.test('the operator says whether the ledger has estimates, of calls that ended early and of whole ones', async t => {
  const NONE = { source: 'none', inputTokens: null, cachedInputTokens: null, outputTokens: null } as const
  const reported = { ...NONE, reasoningTokens: null, audioSeconds: null }
  const written = (ending: 'answered' | 'client_left', more: Partial<Parameters<typeof createCharger>[0]>) => {
    const lines: unknown[] = []
    const ledger = {
      isWell: true,
      open: () => 0,
      charge: (_call: unknown, _team: unknown, data: { usage: unknown }) => lines.push(data.usage)
    }
    const call = identified()
    Object.assign(call, { ending, opened: 0, reported, usage: { ...reported, source: 'estimated', inputTokens: 7 } })
    createCharger({ ...rules, onFailure: 'continue', ...more, ledger } as never).charge(call, 'c')
    return lines[0]
  }
  t.match(written('answered', {}), { source: 'estimated', input: 7 })
  t.match(written('answered', { onMissing: 'free' }), { source: 'none', input: null })
  t.match(written('client_left', { onMissing: 'free' }), { source: 'estimated', input: 7 })
  t.match(written('client_left', { onAbort: 'last_reported' }), { source: 'none', input: null })
})
