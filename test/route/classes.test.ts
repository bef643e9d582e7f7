import t from 'tap'
import { CLASSES, type Class, classOf } from '../../src/route/classes.ts'

t.test('a call is of the class of its team, or of a lower one that its caller asks for, never of a higher', async t => {
  for (const [rank, highest] of CLASSES.entries()) {
    t.equal(classOf(highest, undefined), highest)
    for (const [asked, name] of CLASSES.entries()) t.equal(classOf(highest, name), CLASSES[Math.max(rank, asked)])
  }
})

t.test('what is no class asks for nothing', async t => {
  for (const asked of ['', 'BULK', 'bulk, bulk', '0', '__proto__', ['bulk'], null]) {
    t.equal(classOf('default' satisfies Class, asked), 'default', String(asked))
  }
})
