import t from 'tap'
import * as scripts from '../../src/limit/scripts.ts'

t.test('every script bears its version in its name and in its text', async t => {
  for (const { name, text } of Object.values(scripts)) {
    t.match(name, /^[a-z]+_\d+$/)
    t.match(text, `-- tollgate ${name.replace('_', ' ')}\n`)
  }
})

t.test('every script goes by the clock of the store', async t => {
  for (const { text } of Object.values(scripts)) t.match(text, "redis.call('TIME')")
})
