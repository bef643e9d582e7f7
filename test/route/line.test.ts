import fc from 'fast-check'
import t from 'tap'
import { Line, type Spot } from '../../src/route/line.ts'

t.test('who came first is first, whoever leaves from where: a plain list says the same', async _t => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant('join'), fc.nat(30)), { maxLength: 200, size: 'max' }), steps => {
      const line = new Line<number>()
      const model: Spot<number>[] = []
      let count = 0
      for (const step of steps) {
        if (step === 'join') model.push(line.join(count++))
        else for (const spot of model.splice(Number(step), 1)) line.leave(spot)
        if (line.size !== model.length || line.first !== (model[0] ?? null)) return false
      }
      return true
    })
  )
})
