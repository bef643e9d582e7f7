import { readFileSync } from 'node:fs'
import t from 'tap'

const read = (name: string) => readFileSync(new URL(`../../${name}`, import.meta.url), 'utf8')

t.test(
  'the image runs as a numbered user, is told to stop by SIGTERM, is PID 1 itself, and can be asked how it is',
  async t => {
    const text = read('Dockerfile')
    t.match(text, /^USER \d+:\d+$/m)
    t.match(text, /^STOPSIGNAL SIGTERM$/m)
    t.match(text, /^ENTRYPOINT \["node", "src\/cli\.ts"\]$/m)
    t.match(text, /^CMD \["serve", "--config", "\/etc\/tollgate\/tollgate\.yaml"\]$/m)
    t.match(text, /^HEALTHCHECK .*"healthcheck"\]$/m)
    t.match(text, /npm ci --omit=dev --omit=optional/)
  }
)

t.test('nothing but what the gate needs goes into the image', async t => {
  const lines = read('.dockerignore')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#'))
  t.equal(lines[0], '*')
  t.strictSame(lines.slice(1), ['!package.json', '!package-lock.json', '!.npmrc', '!LICENSE', '!src'])
})
