import t from 'tap'
import { checkContent } from '../../src/inspect/content.ts'
import { createEndpoints } from '../../src/inspect/endpoints.ts'

const endpoints = createEndpoints({ engines: ['vllm'], routes: [] })
const { endpoint: chat } = endpoints.find('POST', '/v1/chat/completions')
const { endpoint: models } = endpoints.find('GET', '/v1/models')
const TYPE = { code: 'TOLLGATE_INSPECT_TYPE' }

t.test('P7: JSON in UTF-8 and nothing else, however it is written', async t => {
  for (const type of [
    'application/json',
    'Application/JSON',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"'
  ]) {
    t.doesNotThrow(() => checkContent(chat, { 'content-type': type }, 100), type)
  }
  for (const type of [
    undefined,
    '',
    'text/plain',
    'application/json; charset=utf-16',
    'application/jsonx',
    'application/json, text/plain',
    'multipart/form-data'
  ]) {
    t.throws(() => checkContent(chat, type === undefined ? {} : { 'content-type': type }, 100), TYPE, type ?? 'none')
  }
})

t.test('P7: a body that is encoded is not opened', async t => {
  const json = { 'content-type': 'application/json' }
  for (const encoding of ['gzip', 'br', 'zstd', 'gzip, identity', '']) {
    t.throws(() => checkContent(chat, { ...json, 'content-encoding': encoding }, 100), TYPE, encoding)
  }
  t.doesNotThrow(() => checkContent(chat, { ...json, 'content-encoding': 'identity' }, 100))
})

t.test('a declared length over the limit is refused before a byte is read', async t => {
  const headers = { 'content-type': 'application/json', 'content-length': '101' }
  t.throws(() => checkContent(chat, headers, 100), { code: 'TOLLGATE_INSPECT_SIZE', detail: { limitBytes: 100 } })
  t.doesNotThrow(() => checkContent(chat, headers, 101))
})

t.test('a route without a body takes none', async t => {
  t.doesNotThrow(() => checkContent(models, {}, 100))
  t.doesNotThrow(() => checkContent(models, { 'content-length': '0' }, 100))
  t.throws(() => checkContent(models, { 'content-length': '1' }, 100), TYPE)
  t.throws(() => checkContent(models, { 'transfer-encoding': 'chunked' }, 100), TYPE)
})
