import { spawnSync } from 'node:child_process'
import t from 'tap'
import Typebox from 'typebox'
import { Type } from '../src/json-schema.ts'

t.test('every schema is the one that the library makes', async t => {
  const build = (Of: typeof Type) => [
    Of.Object({}, { default: {} }),
    Of.Object(
      { a: Of.String({ default: 'x', pattern: '^x' }), b: Of.Optional(Of.Integer({ minimum: 1 })), c: Of.Number() },
      { additionalProperties: false }
    ),
    Of.Object({ b: Of.Optional(Of.Boolean({ default: true })) }),
    Of.Array(Of.Enum(['a', 'b'], { default: 'a' }), { minItems: 1 }),
    Of.Record(Of.String(), Of.Union([Of.Integer(), Of.String()], { description: 'either' }), { description: 'all' }),
    Of.Record(Of.String({ pattern: '^[a-z]$' }), Of.Unsafe<string>({ type: ['integer', 'string'] }))
  ]
  t.strictSame(JSON.stringify(build(Type)), JSON.stringify(build(Typebox)))
})

t.test('a gateway starts without the library', async t => {
  const serve = new URL('../src/serve.ts', import.meta.url).href
  const code = `
    import { registerHooks } from 'node:module'
    let loaded = 0
    registerHooks({ load: (url, context, next) => { loaded += url.includes('/typebox/'); return next(url, context) } })
    await import(${JSON.stringify(serve)})
    console.log(loaded)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  t.equal(stdout, '0\n')
})
