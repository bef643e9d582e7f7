import { Ajv } from 'ajv'
import t from 'tap'
import { GateError } from '../../src/errors.ts'
import { Exchange } from '../../src/exchange.ts'
import { SuspiciousSchema, suspectOptions } from '../../src/suspect/options.ts'
import { createSuspicion, type Suspected } from '../../src/suspect/suspicion.ts'

const fillDefaults = new Ajv({ useDefaults: true, strict: false, validateFormats: false }).compile(SuspiciousSchema)
const optionsOf = (yaml: object) => {
  const filled = structuredClone(yaml)
  fillDefaults(filled)
  return suspectOptions(filled as never)
}

function forgery(ip: string, isProxy = false): Exchange {
  const exchange = new Exchange({ id: 'r-1', startedAtMs: 0, method: 'GET', path: '/x' })
  exchange.client = { ip, key: ip, peerIp: ip, isProxy }
  exchange.failure = new GateError('TOLLGATE_AUTHENTICATE_INVALID', { reason: 'bad_signature' })
  return exchange
}

function scene(yaml: object) {
  const told: Suspected[] = []
  const banned: [string, string, number][] = []
  const suspicion = createSuspicion(optionsOf(yaml), {
    nowMs: () => 1_000,
    onSuspected: suspected => told.push(suspected),
    impose: (client, { reason, forMs }) => banned.push([client.key, reason, forMs])
  })
  return { told, banned, suspicion }
}

t.test('a ban is imposed on the address, for as long as the rule says', async t => {
  const { told, banned, suspicion } = scene({ forged_token: { action: 'ban', for: '7m' } })
  for (let i = 0; i < 5; i++) suspicion.observe(forgery('203.0.113.7'))
  t.strictSame(banned, [['203.0.113.7', 'forged_token', 420_000]])
  t.match(told, [{ kind: 'forged_token', action: 'ban', value: 3, identity: null }])
  t.equal(told.length, 1)
})

t.test('neither a trusted proxy nor an excepted network is ever told of, throttled or banned', async t => {
  const { told, banned, suspicion } = scene({ except: ['10.0.0.0/8', 'fd00::/8'], forged_token: 'ban' })
  for (let i = 0; i < 5; i++) {
    suspicion.observe(forgery('192.0.2.1', true))
    suspicion.observe(forgery('10.1.2.3'))
    suspicion.observe(forgery('fd00::1'))
  }
  t.strictSame(banned, [])
  t.strictSame(told, [])
})

t.test('what is off is not counted; what was counted stays through a reload', async t => {
  const { told, suspicion } = scene({ forged_token: 'off' })
  for (let i = 0; i < 5; i++) suspicion.observe(forgery('203.0.113.7'))
  t.equal(told.length, 0)
  suspicion.follow(optionsOf({ forged_token: 'throttle' }))
  for (let i = 0; i < 2; i++) suspicion.observe(forgery('203.0.113.7'))
  suspicion.follow(optionsOf({ forged_token: { action: 'throttle', after: 2 } }))
  suspicion.observe(forgery('203.0.113.7'))
  t.equal(told.length, 1)
  t.throws(() => suspicion.checkAddress(forgery('203.0.113.7')), { code: 'TOLLGATE_SUSPECT_THROTTLED' })
  suspicion.checkAddress(forgery('203.0.113.8'))
  suspicion.follow(optionsOf({}))
  suspicion.checkAddress(forgery('203.0.113.7'))
})
