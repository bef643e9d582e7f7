import t from 'tap'
import { isHarmless } from '../../src/config/shape.ts'
import { showLines } from '../../src/config/shown-line.ts'

const shown = (text: string) => showLines(text, ({ path, is }) => isHarmless(path, is))(1)

t.test('of a line at fault a terminal shows the names and values that are known to be no secrets', async t => {
  t.equal(
    shown('pools: { p: { engine: vlmm, targets: [http://gpu1:8000] } }'),
    'pools: { p: { engine: vlmm, targets: [http://gpu1:8000] } }'
  )
  t.equal(
    shown('admin: { listen: 127.0.0.1:9090, token: "hush: hush, hush" }'),
    'admin: { listen: 127.0.0.1:9090, token: •••• }'
  )
  t.equal(shown('admin: { tokne: hush }'), 'admin: { ••••: •••• }', 'what nobody knows')
  t.equal(
    shown('admin: { listen: 127.0.0.1:9090 } # was hush'),
    'admin: { listen: 127.0.0.1:9090 } •••• •••• ••••',
    'comments'
  )
  t.equal(shown('admin: { token: &hush }'), 'admin: { token: •••• }', 'an anchor')
  t.equal(
    shown('issuers: [{ jwks_url: "https://idp.example.com/keys?k=hush" }]'),
    'issuers: [{ jwks_url: "https://idp.example.com/keys?••••" }]'
  )
  t.equal(shown('admin: { token: |hush }'), null, 'what is no YAML')
})

t.test('of a value in several lines nothing is shown, and a line that is not there is none', async t => {
  const show = showLines('admin:\n  listen: a\n    b\n  token: |\n    hush\n', ({ path, is }) => isHarmless(path, is))
  t.strictSame([1, 2, 3, 4, 5].map(show), ['admin:', '  listen: ••••', '••••', '  token: ••••', '••••'])
  t.equal(show(9), null)
})
