import t from 'tap'
import { maskedUrl } from '../src/masked-url.ts'

t.test("a URL shows neither its user's part nor its query, wherever it is in a text", async t => {
  t.equal(maskedUrl('https://idp.example.com/keys'), 'https://idp.example.com/keys')
  t.equal(maskedUrl('https://u:p@idp.example.com/keys?k=s&l=t#f'), 'https://••••@idp.example.com/keys?••••')
  t.equal(maskedUrl('at redis://:p@store:6379, then https://x?k'), 'at redis://••••@store:6379, then https://x?••••')
  t.equal(
    maskedUrl('https://[::1]:8443/a?b', () => '!'),
    'https://[::1]:8443/a?!'
  )
  t.equal(maskedUrl('a?b=c and x@y'), 'a?b=c and x@y')
})
