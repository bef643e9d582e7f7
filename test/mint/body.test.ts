import { Readable } from 'node:stream'
import t from 'tap'
import { readBody } from '../../src/mint/body.ts'

t.test('a body of up to 8 KiB is gathered; the first byte over it ends the reading', async t => {
  const pieces = Array.from({ length: 8 }, () => Buffer.alloc(1024, 'x'))
  t.equal((await readBody(Readable.from(pieces))).length, 8192)
  let given = 0
  function* endless() {
    for (;;) {
      given++
      yield Buffer.alloc(1024)
    }
  }
  const source = Readable.from(endless(), { highWaterMark: 1 })
  await t.rejects(readBody(source), { code: 'TOLLGATE_MINT_SIZE' })
  t.ok(given < 20, 'it is not read on')
  source.destroy()
})
