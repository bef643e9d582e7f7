import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { runHealthcheck } from '../../src/admin/healthcheck.ts'
import { Written } from '../helpers/written.ts'

t.test('a gate that answers 200 is well; one that answers otherwise or not at all is not', async t => {
  let status = 200
  const server = createServer((_request, response) => response.writeHead(status).end())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/livez`
  const out = () => ({ stdout: new Written(), stderr: new Written() })
  t.equal(await runHealthcheck(['--url', url], out()), 0)
  status = 503
  const said = out()
  t.equal(await runHealthcheck(['--url', url], said), 1)
  t.match(said.stderr.text, /503/)
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  t.equal(await runHealthcheck(['--url', url], out()), 1)
  t.equal(await runHealthcheck(['--url', 'nonsense'], out()), 2)
  t.equal(await runHealthcheck(['--help'], out()), 0)
})
