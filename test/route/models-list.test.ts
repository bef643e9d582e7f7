import t from 'tap'
import { modelList } from '../../src/route/models-list.ts'

t.test('the list has the shape that client libraries read, and tells nothing but names', async t => {
  t.strictSame(modelList(['a', 'b'], 7), {
    object: 'list',
    data: [
      { id: 'a', object: 'model', created: 7, owned_by: 'tollgate' },
      { id: 'b', object: 'model', created: 7, owned_by: 'tollgate' }
    ]
  })
})
