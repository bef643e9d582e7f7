import t from 'tap'
import { readParameters } from '../../src/mint/parameters.ts'

const FORM = 'application/x-www-form-urlencoded'
const read = (body: string | Buffer, type: string | undefined = FORM, mayBeJson = true, encoding?: string) =>
  Object.fromEntries(readParameters(Buffer.from(body as string), { type, encoding, mayBeJson }))

t.test('a form is read as browsers and libraries write it', async t => {
  t.strictSame(read('a=1&b=x+y%20z&c=%C3%A9&empty=&bare'), { a: '1', b: 'x y z', c: 'é' })
  t.strictSame(read('a=1', `${FORM}; charset=UTF-8`), { a: '1' })
  t.strictSame(read('__proto__=1'), Object.fromEntries([['__proto__', '1']]))
  t.strictSame(read(''), {})
})

t.test('an object of texts is read where JSON is taken', async t => {
  t.strictSame(read('{"username":"ada","password":"x\\u00e9"}', 'application/json'), {
    username: 'ada',
    password: 'xé'
  })
  t.throws(() => read('{}', 'application/json', false), { code: 'TOLLGATE_MINT_TYPE' })
})

t.test('a parameter that stands twice refuses the request, however it is written', async t => {
  for (const [body, type] of [
    ['a=1&a=1', FORM],
    ['a=1&%61=2', FORM],
    ['a=&a=2', FORM],
    ['a&a', FORM],
    ['{"a":"1","a":"2"}', 'application/json'],
    ['{"a":"1","\\u0061":"2"}', 'application/json']
  ] as const) {
    t.throws(() => read(body, type), { code: 'TOLLGATE_MINT_REQUEST', detail: { reason: 'duplicated' } }, body)
  }
})

t.test('what cannot be read in one way is not read', async t => {
  for (const [body, type] of [
    ['a=%zz', FORM],
    ['a=%ff', FORM],
    [Buffer.from([0x61, 0x3d, 0xff]), FORM],
    [Array.from({ length: 40 }, (_, i) => `p${i}=1`).join('&'), FORM],
    [`a=${'x'.repeat(5_000)}`, FORM],
    ['[]', 'application/json'],
    ['{"a":1}', 'application/json'],
    ['{"a":{"b":"c"}}', 'application/json'],
    ['{"a":"1"', 'application/json'],
    ['{"a":"1"} x', 'application/json'],
    ['null', 'application/json'],
    ['\ufeff{}', 'application/json']
  ] as const) {
    t.throws(() => read(body as string, type), { code: 'TOLLGATE_MINT_REQUEST' }, String(body).slice(0, 20))
  }
})

t.test('any other type of body, or an encoded one, is refused as that', async t => {
  for (const type of ['text/plain', 'multipart/form-data; boundary=x', `${FORM}; charset=latin1`, '']) {
    t.throws(() => read('a=1', type), { code: 'TOLLGATE_MINT_TYPE' }, type)
  }
  t.throws(() => read('a=1', FORM, true, 'gzip'), { code: 'TOLLGATE_MINT_TYPE' })
})
