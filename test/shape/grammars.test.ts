import t from 'tap'
import { checkGrammars } from '../../src/shape/grammars.ts'

const refused = (param: string) => ({ code: 'TOLLGATE_SHAPE_FIELD', detail: { param } })

t.test('no engine compiles an expression or a grammar of a caller, under whatever name', async t => {
  for (const name of ['regex', 'regex_schema', 'grammar', 'structural_tag', 'ebnf', 'whitespace_pattern']) {
    t.throws(() => checkGrammars({ structured_outputs: { [name]: 'x' } }), refused('structured_outputs'), name)
    t.throws(() => checkGrammars({ response_format: { type: name } }), refused('response_format'), name)
  }
  const format = { type: 'grammar', syntax: 'lark', definition: 'x' }
  for (const tool of [
    { type: 'custom', name: 'x', format },
    { type: 'custom', custom: { name: 'x', format } }
  ]) {
    t.throws(() => checkGrammars({ tools: [{ type: 'function' }, tool] }), refused('tools'))
  }
})

t.test('a schema, a choice and plain tools pass', async t => {
  for (const body of [
    {},
    { response_format: { type: 'json_schema', json_schema: { schema: { pattern: '^a$' } } } },
    { response_format: 'text' },
    { structured_outputs: { json: {}, choice: ['a'], regex: null } },
    { tools: [{ type: 'custom', format: { type: 'text' } }, { type: 'function', function: { name: 'grammar' } }, null] }
  ]) {
    t.doesNotThrow(() => checkGrammars(body), JSON.stringify(body))
  }
})
