import { renameSync, unlinkSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { FollowedFile, readHosts, readResolvConf, searchNames } from '../../src/resolve/system-files.ts'

t.test('a resolv.conf is read as the C library reads it', async t => {
  t.strictSame(readResolvConf(''), { servers: ['127.0.0.1'], search: [], ndots: 1 })
  const pod =
    'nameserver 10.96.0.10\nnameserver fd00::10 # second\nsearch ns.svc.cluster.local svc.cluster.local\noptions ndots:5 rotate\n'
  t.strictSame(readResolvConf(pod), {
    servers: ['10.96.0.10', 'fd00::10'],
    search: ['ns.svc.cluster.local', 'svc.cluster.local'],
    ndots: 5
  })
  t.strictSame(readResolvConf('domain a.example\nsearch b.example. c.example\n').search, ['b.example', 'c.example'])
  t.strictSame(readResolvConf('search b.example\ndomain a.example more\n').search, ['a.example'])
  t.strictSame(readResolvConf('; comment\nnameserver gpu\noptions ndots:99\n'), {
    servers: ['127.0.0.1'],
    search: [],
    ndots: 15
  })
})

t.test('short names are asked for with the search domains first, and those with enough dots as they are', async t => {
  const conf = { search: ['ns.svc', 'svc'], ndots: 2 }
  t.strictSame(searchNames('vllm', conf), ['vllm.ns.svc', 'vllm.svc', 'vllm'])
  t.strictSame(searchNames('vllm.other', conf), ['vllm.other.ns.svc', 'vllm.other.svc', 'vllm.other'])
  t.strictSame(searchNames('gpu.a.example', conf), ['gpu.a.example', 'gpu.a.example.ns.svc', 'gpu.a.example.svc'])
  t.strictSame(searchNames('vllm.', conf), ['vllm'])
})

t.test('a hosts file says addresses of both families, in its order, whatever the case of its names', async t => {
  const hosts = readHosts(
    '# all\n127.0.0.1 localhost\n::1\tlocalhost ip6-localhost # this machine\n10.0.0.1 GPU gpu.example\nnonsense gpu\n'
  )
  t.strictSame(hosts.get('localhost'), ['127.0.0.1', '::1'])
  t.strictSame(hosts.get('gpu'), ['10.0.0.1'])
  t.equal(hosts.get('nonsense'), undefined)
})

t.test('a file is followed when it changes, and holds what it said while it is away', async t => {
  const path = `${t.testdir({ hosts: '10.0.0.1 gpu\n', next: '10.0.0.22 gpu\n' })}/hosts`
  let nowMs = 0
  const file = new FollowedFile(path, readHosts, () => nowMs)
  t.strictSame(file.value.get('gpu'), ['10.0.0.1'])
  renameSync(path.replace('hosts', 'next'), path)
  t.strictSame(file.value.get('gpu'), ['10.0.0.1'], 'it is not looked at for every question')
  nowMs += 1_000
  t.strictSame(file.value.get('gpu'), ['10.0.0.22'])
  unlinkSync(path)
  nowMs += 1_000
  t.strictSame(file.value.get('gpu'), ['10.0.0.22'])
  writeFileSync(path, '10.0.0.3 gpu\n')
  nowMs += 1_000
  t.strictSame(file.value.get('gpu'), ['10.0.0.3'])
})
