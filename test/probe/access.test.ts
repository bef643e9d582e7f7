import t from 'tap'
import { judgeAccess } from '../../src/probe/access.ts'
import type { Facts } from '../../src/probe/facts.ts'
import { someFacts } from './some-facts.ts'

const codes = (more: Partial<Facts>) => judgeAccess(someFacts(more)).map(({ code }) => code)

t.test('of an engine that is as configured, its version is said and nothing else', async t => {
  t.strictSame(codes({}), ['P112'])
})

t.test('an engine that cannot be asked has one finding, which says why', async t => {
  for (const [why, code] of [
    ['unreachable', 'P101'],
    ['late', 'P102'],
    ['tls', 'P103'],
    ['garbage', 'P106']
  ] as const) {
    const failed = { is: 'failed', why, cause: 'X' } as const
    t.strictSame(codes({ models: failed, routes: failed, version: null, looksLike: null }), [code])
  }
})

t.test('a list of models that is none is an error', async t => {
  for (const models of [
    { is: 'status', status: 404 },
    { is: 'status', status: 307 },
    { is: 'large' },
    { is: 'strange' }
  ] as const) {
    t.strictSame(codes({ models, version: null }), ['P106'])
  }
})

t.test(
  'a key that is refused is told from one that is missing; what the key hides is not held against the engine',
  async t => {
    const refused = {
      models: { is: 'status', status: 401 },
      routes: { is: 'status', status: 401 },
      version: null
    } as const
    t.strictSame(codes(refused), ['P104'])
    t.strictSame(codes({ ...refused, hasKey: false }), ['P105'])
  }
)

t.test('that no key is needed is said where it can be known', async t => {
  t.strictSame(codes({ keyless: 200 }), ['P201', 'P112'])
  t.strictSame(codes({ keyless: 200, engine: 'swift', looksLike: 'swift', version: null }), ['P202'])
  t.strictSame(codes({ keyless: 200, engine: 'openai', looksLike: null, version: null }), ['P202'])
})

t.test('another engine than configured is a warning, and behind `openai` good to know', async t => {
  t.strictSame(codes({ looksLike: 'sglang', version: null }), ['P110'])
  t.strictSame(codes({ engine: 'openai', looksLike: 'vllm', version: null }), ['P111'])
  t.strictSame(codes({ looksLike: null, version: null }), [])
})

t.test('hidden routes are fine, unreadable ones are not', async t => {
  t.strictSame(codes({ routes: { is: 'status', status: 404 } }), ['P112', 'P221'])
  t.strictSame(codes({ routes: { is: 'large' } }), ['P112', 'P222'])
  t.strictSame(codes({ routes: { is: 'failed', why: 'late', cause: '5 ms' } }), ['P112', 'P222'])
})
