import t from 'tap'
import { DnsError, isServiceName } from '../../src/resolve/names.ts'

t.test('the name of a service is told from that of a host', async t => {
  for (const name of ['_http._tcp.vllm.ns.svc', '_grpc._udp.gpu']) t.ok(isServiceName(name), name)
  for (const name of ['gpu', '_gpu.example', '_tcp.gpu', '_http._sctp.gpu', 'a._http._tcp.gpu'])
    t.notOk(isServiceName(name), name)
})

t.test('a name that does not exist is told from one that cannot be asked for', async t => {
  t.ok(new DnsError('DNS_NOT_FOUND', 'gpu', 'no such name').isNotFound)
  t.notOk(new DnsError('DNS_TIMEOUT', 'gpu', 'no answer').isNotFound)
})
