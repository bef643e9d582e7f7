import fc from 'fast-check'
import t from 'tap'
import { modelOfScope, scopeOfModel } from '../../src/authorize/scopes.ts'

t.test('V20: a model is read by the fixed beginning and end of its scope, whatever stands in its name', async t => {
  t.equal(modelOfScope('model:org/name:7b:inference'), 'org/name:7b')
  t.equal(modelOfScope('model:inference:inference'), 'inference')
  t.equal(modelOfScope('model:*:inference'), '*')
  for (const scope of [
    'model:inference',
    'model::inference',
    'model:x',
    'x:inference',
    'Model:x:inference',
    'infer:text'
  ]) {
    t.equal(modelOfScope(scope), null, scope)
  }
})

t.test('every name makes a scope that is read back as that name', async t => {
  t.ok(
    fc.check(fc.property(fc.string({ minLength: 1 }), name => modelOfScope(scopeOfModel(name)) === name)).failed ===
      false
  )
})
