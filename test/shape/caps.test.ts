import fc from 'fast-check'
import t from 'tap'
import { checkCaps } from '../../src/shape/caps.ts'

const caps = { n: 4, maxTokens: 1000, logprobs: 5, prompts: 3 }

t.test('whatever stands in a capped field, it is within the cap or refused with its name', async () => {
  const names = fc.constantFrom('n', 'best_of', 'max_tokens', 'max_completion_tokens', 'top_logprobs', 'max_new_tokens')
  fc.assert(
    fc.property(names, fc.oneof(fc.integer(), fc.double(), fc.string(), fc.jsonValue()), (name, value) => {
      try {
        checkCaps({ [name]: value }, caps)
        return (
          value === null ||
          (typeof value === 'boolean' && name === 'top_logprobs') ||
          (Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 1000)
        )
      } catch (err) {
        return (err as { detail: { param: string } }).detail.param === name
      }
    })
  )
})

t.test('a schema is bounded in size and in depth', async t => {
  const deep = (levels: number): object => (levels === 0 ? {} : { inner: deep(levels - 1) })
  t.doesNotThrow(() => checkCaps({ response_format: deep(20) }, caps))
  t.throws(() => checkCaps({ response_format: deep(30) }, caps), { code: 'TOLLGATE_SHAPE_CAP' })
})
