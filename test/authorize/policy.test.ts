import fc from 'fast-check'
import t from 'tap'
import type { AuthorizeOptions } from '../../src/authorize/options.ts'
import { createPolicy } from '../../src/authorize/policy.ts'
import type { Call, Identity } from '../../src/exchange.ts'

const options = (of: Partial<AuthorizeOptions> = {}): AuthorizeOptions => ({
  scopes: 'families',
  roles: new Map(),
  modelScopes: new Map(),
  ...of
})
const identity = (scopes: string[], role: string | null = null): Identity => ({
  iss: 'i',
  sub: 's',
  team: 't',
  scopes: new Set(scopes),
  role,
  iatSec: 1,
  expSec: 2,
  jti: null,
  kid: null,
  alg: 'ES256',
  fingerprint: 'f'
})
const call = (of: Partial<Call> = {}): Call => ({
  operation: 'chat',
  method: 'POST',
  path: '/v1/chat/completions',
  kind: 'text',
  routeScope: null,
  routePool: null,
  model: 'qwen',
  modelAsked: 'qwen',
  isStream: false,
  ...of
})
function outcome(
  scopes: string[],
  of: Partial<Call> = {},
  more: Partial<AuthorizeOptions> = {},
  role: string | null = null
): string {
  try {
    createPolicy(options(more)).authorize(identity(scopes, role), call(of))
    return 'pass'
  } catch (err) {
    const { code, detail } = err as { code: string; detail: { scope: string } }
    return `${code.replace('TOLLGATE_AUTHORIZE_', '')} ${detail.scope}`
  }
}

t.test('a family that the token carries restricts, one that it does not carry does not', async t => {
  t.equal(outcome(['infer:text']), 'pass')
  t.equal(outcome(['infer:text'], { model: 'other' }), 'pass')
  t.equal(outcome(['infer:text'], { kind: 'multimodal' }), 'SCOPE infer:multimodal')
  t.equal(outcome(['model:qwen:inference']), 'pass')
  t.equal(outcome(['model:qwen:inference'], { kind: 'multimodal' }), 'pass')
  t.equal(outcome(['model:qwen:inference'], { model: 'other' }), 'MODEL model:other:inference')
  t.equal(outcome(['infer:text', 'model:qwen:inference'], { kind: 'multimodal' }), 'SCOPE infer:multimodal')
  t.equal(outcome(['infer:text', 'model:qwen:inference'], { model: 'other' }), 'MODEL model:other:inference')
  t.equal(outcome(['infer:text', 'model:qwen:inference']), 'pass')
  t.equal(outcome(['model:*:inference'], { model: 'any/thing:1' }), 'pass')
})

t.test('a token with neither family may not infer, whatever else it carries', async t => {
  for (const scopes of [
    [],
    ['openid', 'profile'],
    ['task:x'],
    ['infer:*'],
    ['infer:Text'],
    ['model:qwen'],
    ['admin']
  ]) {
    t.equal(outcome(scopes), 'SCOPE infer:text', scopes.join())
  }
})

t.test('kinds are exact: more than text is not text', async t => {
  t.equal(outcome(['infer:multimodal']), 'SCOPE infer:text')
  t.equal(outcome(['infer:multimodal'], { kind: 'multimodal' }), 'pass')
})

t.test('V20: names are compared whole: no prefix, no pattern, no case', async t => {
  for (const scope of [
    'model:qwe:inference',
    'model:qwen2:inference',
    'model:QWEN:inference',
    'model:q*:inference',
    'model:.*:inference'
  ]) {
    t.equal(outcome([scope]), 'MODEL model:qwen:inference', scope)
  }
})

t.test('with `all`, one scope of each family is demanded', async t => {
  const all = { scopes: 'all' } as const
  t.equal(outcome(['infer:text'], {}, all), 'MODEL model:qwen:inference')
  t.equal(outcome(['model:qwen:inference'], {}, all), 'SCOPE infer:text')
  t.equal(outcome(['infer:text', 'model:qwen:inference'], {}, all), 'pass')
})

t.test('a role adds the scopes that the configuration gives it, and nothing otherwise', async t => {
  const roles = new Map([['dev', ['infer:text']]])
  t.equal(outcome([], {}, { roles }, 'dev'), 'pass')
  t.equal(outcome([], {}, { roles }, 'admin'), 'SCOPE infer:text')
  t.equal(outcome([], {}, { roles }, '__proto__'), 'SCOPE infer:text')
})

t.test('a model with a scope of its own is opened by that one, or by the one for every model', async t => {
  const modelScopes = new Map([['qwen', 'task:qwen-users']])
  t.equal(outcome(['task:qwen-users'], {}, { modelScopes }), 'pass')
  t.equal(outcome(['model:qwen:inference'], {}, { modelScopes }), 'MODEL task:qwen-users')
  t.equal(outcome(['model:*:inference'], {}, { modelScopes }), 'pass')
  t.equal(outcome(['infer:text'], {}, { modelScopes }), 'pass')
})

t.test('a configured route asks for its own scope, and for the model that the body names', async t => {
  const route = { routeScope: 'task:tune', kind: 'none', model: null } as const
  t.equal(outcome(['task:tune'], route), 'pass')
  t.equal(outcome(['infer:text'], route), 'SCOPE task:tune')
  t.equal(outcome(['task:tune', 'model:qwen:inference'], { ...route, model: 'other' }), 'MODEL model:other:inference')
  t.equal(outcome(['task:tune', 'model:qwen:inference'], route), 'pass')
})

t.test('a configured route that generates is not opened for every model by leaving the name out', async t => {
  const route = { routeScope: 'task:generate', kind: 'text', model: null } as const
  t.match(outcome(['task:generate', 'model:qwen:inference'], route), /^MODEL/)
  t.equal(outcome(['task:generate', 'model:qwen:inference'], { ...route, model: 'qwen' }), 'pass')
  t.equal(outcome(['task:generate', 'model:*:inference'], route), 'pass')
  t.equal(outcome(['task:generate'], route), 'pass')
  const session = { ...route, operation: 'realtime', kind: 'multimodal' } as const
  t.equal(outcome(['task:generate', 'model:qwen:inference'], session), 'pass', 'a session names its model later')
})

t.test(
  'what a token may do is the same each time it is asked, and a list of models shows just what may be called',
  async t => {
    const policy = createPolicy(options())
    const scope = fc.constantFrom(
      'infer:text',
      'infer:multimodal',
      'model:a:inference',
      'model:b:inference',
      'model:*:inference',
      'x'
    )
    fc.assert(
      fc.property(fc.array(scope), fc.constantFrom('a', 'b', 'c'), (scopes, model) => {
        const who = identity(scopes)
        const mayCall = (kind: 'text' | 'multimodal') => {
          try {
            policy.authorize(who, call({ model, kind }))
            return true
          } catch {
            return false
          }
        }
        return policy.mayUseModel(who, model) === (mayCall('text') || mayCall('multimodal'))
      })
    )
    t.pass()
  }
)

t.test('with `all`, a token that lacks a family is shown no model', async t => {
  const policy = createPolicy(options({ scopes: 'all' }))
  t.notOk(policy.mayUseModel(identity(['infer:text']), 'qwen'))
  t.notOk(policy.mayUseModel(identity(['model:qwen:inference']), 'qwen'))
  t.ok(policy.mayUseModel(identity(['infer:text', 'model:qwen:inference']), 'qwen'))
})

t.test('who may send pictures: whoever has that kind, or no kind and a model', async t => {
  const policy = createPolicy(options())
  t.ok(policy.mayMultimodal(identity(['infer:multimodal'])))
  t.ok(policy.mayMultimodal(identity(['model:qwen:inference'])))
  t.notOk(policy.mayMultimodal(identity(['infer:text', 'model:qwen:inference'])))
  t.notOk(policy.mayMultimodal(identity(['task:x'])))
})

t.test('a first scope of a family only narrows what another family opened; a second one only widens', async t => {
  const kinds = ['infer:text', 'infer:multimodal']
  const models = ['model:a:inference', 'model:b:inference', 'model:*:inference', 'task:own']
  const policy = createPolicy(options({ modelScopes: new Map([['c', 'task:own']]) }))
  const calls = ['a', 'b', 'c'].flatMap(model => (['text', 'multimodal'] as const).map(kind => call({ model, kind })))
  const allowed = (scopes: string[]) => {
    const who = identity(scopes)
    return calls.filter(one => {
      try {
        policy.authorize(who, one)
        return true
      } catch {
        return false
      }
    })
  }
  fc.assert(
    fc.property(fc.subarray(kinds), fc.subarray(models), fc.constantFrom(...kinds, ...models), (k, m, added) => {
      const [family, other] = kinds.includes(added) ? [k, m] : [m, k]
      const before = allowed([...k, ...m])
      const after = allowed([...k, ...m, added])
      if (family.length > 0) return before.every(one => after.includes(one))
      return other.length === 0 || after.every(one => before.includes(one))
    })
  )
  t.pass()
})

t.test('what is no scope of a family changes nothing', async t => {
  const policy = createPolicy(options())
  fc.assert(
    fc.property(
      fc.string(),
      fc.subarray(['infer:text', 'infer:multimodal', 'model:qwen:inference']),
      (word, scopes) => {
        fc.pre(!/^infer:(text|multimodal)$|^model:.+:inference$/s.test(word))
        const [without, withIt] = [scopes, [...scopes, word]].map(of => policy.mayUseModel(identity(of), 'qwen'))
        return without === withIt
      }
    )
  )
  t.pass()
})
