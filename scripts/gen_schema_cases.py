#!/usr/bin/env python3
"""Writes tests/data/schema_cases.txt: schemas with texts that obey them and texts that do not, as the package jsonschema (PyPI) judges.

    python3 scripts/gen_schema_cases.py > tests/data/schema_cases.txt

Lines: "S schema", then "A text" (obeys, and the grammar writes it) and "R text" (does not obey). An A that does not obey, or an N (below) that does,
stops the script. Texts of the pool that do not obey each schema are refused too.
"""
import json
import random

from jsonschema import Draft202012Validator, FormatChecker

POOL = ['null', 'true', 'false', '0', '-1', '7', '3.5', '1e3', '""', '"a"', '"abc"', '"a b"', '"12"', '[]', '[1]', '["a"]', '[1,2,3]', '[null,{"a":1}]', '{}', '{"a":1}',
        '{"a":"x"}', '{"b":2}', '{"a":1,"b":2}', '{"a":{"a":{}}}', '{"k":"a"}', '"2024-02-30"', '"\\u0041"']
CASES = []


def case(schema, accepted, refused=()):
    CASES.append((schema, list(accepted), list(refused)))


def types():
    case({}, POOL)
    case(True, POOL)
    case({'type': 'null'}, ['null'], ['nul', '0'])
    case({'type': 'boolean'}, ['true', 'false'], ['True'])
    case({'type': 'integer'}, ['0', '-1', '12345678901234567890'], ['1.5', '01', '-', '1e', '+1'])
    case({'type': 'number'}, ['0', '-1', '0.5', '-0.25e-3', '1E+2', '123.456'], ['.5', '1.', '00', '1e', 'NaN'])
    case({'type': 'string'}, ['""', '"a"', '"\\u00e9\\ud83d\\ude00\\n\\/"', '"\u00e9\u7b97"'], ['"', '"a', '"\\x"', '"\t"'])
    case({'type': 'array'}, ['[]', '[1, [2, {"a": []}]]', '[\n  1,\n  2\n]'], ['[', '[1,]', '[,]'])
    case({'type': 'object'}, ['{}', '{"a": 1, "b": [true]}', '{\n  "a": {\n    "b": 1\n  }\n}'], ['{', '{"a"}', '{"a":1,}', '{a:1}'])
    case({'type': ['string', 'null']}, ['"a"', 'null'])
    case({'type': ['integer', 'boolean', 'array']}, ['1', 'true', '[]'], ['1.5'])
    case({'type': ['integer', 'number']}, ['1', '1.5'])
    case({'type': 'number', 'title': 't', 'description': 'd', 'default': 1, 'examples': [1], '$comment': 'c', 'deprecated': True, 'readOnly': True}, ['1'])
    case({'type': 'string', 'x-order': 3, 'contentEncoding': 'base64', 'format': 'password'}, ['"a"'])


def numbers():
    for low, high in [(0, 0), (1, 14), (0, 120), (-5, 5), (-120, -7), (99, 1001), (7, 7), (-1, 100000), (10, 99), (2**53, 2**53 + 9), (-2**63, 2**63 - 1)]:
        near = sorted({low, high, low + 1, high - 1, (low + high) // 2, -low, 0, 1, 9, 10, 99, 100, low - 1, high + 1, low * 10, high * 10})
        case({'type': 'integer', 'minimum': low, 'maximum': high}, [str(x) for x in near if low <= x <= high], [str(x) for x in near if not low <= x <= high])
    for keys in [{'minimum': 0}, {'minimum': 18}, {'exclusiveMinimum': 0}, {'maximum': 0}, {'exclusiveMaximum': 100}, {'maximum': -3}, {'minimum': -7},
                 {'exclusiveMinimum': -10, 'exclusiveMaximum': 10}, {'minimum': 0.5, 'maximum': 9.5}, {'exclusiveMinimum': 2.0}, {'minimum': 3, 'exclusiveMinimum': 3}]:
        for kind in ('integer', 'number'):
            schema = {'type': kind, **keys}
            check = Draft202012Validator(schema)
            texts = ['0', '1', '-1', '3', '4', '9', '10', '-9', '-10', '17', '18', '99', '100', '101', '-3', '-7', '-8', '2', '1234567', '-1234567']
            if kind == 'number':
                texts += ['0.5', '0.49', '9.5', '9.51', '9.499', '-0.001', '0.001', '2.0', '2.01', '99.999', '100.001', '-3.0', '-2.9999', '3.00', '3.000001']
            good = [t for t in texts if check.is_valid(json.loads(t))]
            case(schema, [t for t in good if not t.startswith('-0.0000')], [t for t in texts if t not in good])
    draw = random.Random(5)
    for i in range(30):
        digits = draw.randrange(0, 4)
        a, b = sorted(round(draw.uniform(-20, 20) * 10**draw.randrange(0, 3), digits) for _ in range(2))
        if a == b:
            continue
        low = draw.choice(['minimum', 'exclusiveMinimum'])
        high = draw.choice(['maximum', 'exclusiveMaximum'])
        schema = {'type': 'number', low: a, high: b}
        check = Draft202012Validator(schema)
        texts = {('%.*f' % (draw.randrange(0, 5), x)) for x in [a, b, (a + b) / 2, a + 0.001, b - 0.001, a - 0.001, b + 0.001] + [draw.uniform(a - 2, b + 2) for _ in range(12)]}
        texts = sorted(t for t in texts if not (t.startswith('-') and float(t) == 0))
        case(schema, [t for t in texts if check.is_valid(json.loads(t))], [t for t in texts if not check.is_valid(json.loads(t))])
    case({'type': 'number', 'multipleOf': 1}, ['3', '-4'], ['3.5'])


def strings():
    case({'type': 'string', 'minLength': 2}, ['"ab"', '"\\u00e9\\n"', '"\u7b97\u7b97\u7b97"', '"\\ud83d\\ude00a"'], ['"\\u00e9"', '"\\ud83d\\ude00"'])
    case({'type': 'string', 'maxLength': 3}, ['""', '"abc"', '"\\u00e9\\u00e9\\u00e9"'], ['"abcd"', '"\\u00e9\\u00e9\\u00e9a"'])
    case({'type': 'string', 'minLength': 3, 'maxLength': 3}, ['"abc"'], ['"abcd"'])
    case({'type': 'string', 'maxLength': 0}, ['""'])
    patterns = [('^a+$', ['"a"', '"aaa"'], ['"ab"']), ('b', ['"b"', '"abc"'], ['"ac"']), ('^\\d{3}-\\d{2}$', ['"123-45"'], ['"123-4"', '"x123-45"']),
                ('^[A-Z]{2}\\d*$', ['"AB"', '"AB12"'], ['"Ab"']), ('^(foo|bar)$', ['"foo"', '"bar"'], ['"fo"', '"foobar"']), ('^$', ['""'], []),
                ('\\.txt$', ['"a.txt"', '".txt"'], ['"atxt"', '"a.txt "']), ('^https?://', ['"http://a"', '"https://"'], ['"ftp://a"']), ('^.{2}$', ['"ab"', '"\u7b97\u7b97"'], []),
                ('^"$', ['"\\""'], []), ('^a\\\\b$', ['"a\\\\b"'], ['"ab"']), ('^[^a-z]+$', ['"ABC"', '"1 2"'], ['"Abc"']), ('^\\s*$', ['""', '" "', '"\\n"'], ['"x"']),
                ('^(a|b)*c{2,3}$', ['"cc"', '"abccc"'], ['"c"', '"cccc"']), ('^x?y+z*$', ['"y"', '"xyyz"'], ['"x"']), ('^\\w+@\\w+$', ['"a@b"'], ['"a@"'])]
    for pattern, good, bad in patterns:
        case({'type': 'string', 'pattern': pattern}, good, bad)
    case({'type': 'string', 'pattern': '^[a-c]+$', 'maxLength': 2}, ['"a"', '"bc"'], ['"abc"'])
    case({'type': 'string', 'pattern': 'a', 'minLength': 2}, ['"ba"', '"aa"'], ['"bb"'])
    case({'type': 'string', 'allOf': [{'pattern': '^a'}, {'pattern': 'z$'}]}, ['"az"', '"abcz"'], ['"ab"', '"bz"'])
    case({'type': 'string', 'pattern': '^a', 'enum': ['abc', 'bcd', 'a']}, ['"abc"', '"a"'], ['"bcd"'])
    case({'pattern': '^a$'}, ['"a"', '1', 'null'])
    formats = [('date', ['2024-02-29', '1999-12-31', '0001-01-01'], ['2023-02-29', '2024-13-01', '2024-04-31', '24-01-01']), ('uuid', ['123e4567-e89b-12d3-a456-426614174000'], ['123e4567']),
               ('ipv4', ['1.2.3.4', '255.255.255.255'], ['256.1.1.1', '1.2.3', '01.2.3.4']), ('ipv6', ['::1', '1:2:3:4:5:6:7:8', 'fe80::1:2'], ['1::2::3', ':1', '12345::']),
               ('email', ['a@b.com', 'x.y+z@d-e.org'], ['ab.com']), ('time', ['10:20:30Z', '23:59:59.125+01:30'], []), ('duration', ['P1D', 'PT1H30M', 'P2W', 'P1Y2M3DT4H5M6S'], []),
               ('date-time', ['2024-02-29T10:20:30Z'], []), ('hostname', ['example.com', 'a-b.c'], [])]
    for name, good, bad in formats:
        case({'type': 'string', 'format': name}, [json.dumps(t) for t in good], [json.dumps(t) for t in bad])
    case({'type': 'string', 'format': 'date', 'pattern': '^2024'}, ['"2024-01-02"'], ['"2023-01-02"'])


def constants():
    case({'const': 'a"b\n\u00e9'}, ['"a\\"b\\n\u00e9"'])
    case({'const': 5}, ['5'])
    case({'const': None}, ['null'])
    case({'const': 1.5}, ['1.5'], ['1.50001'])
    case({'const': {'a': [1, {'b': None}]}}, ['{"a":[1,{"b":null}]}', '{"a": [1, {"b": null}]}'])
    case({'const': []}, ['[]'])
    case({'const': {}}, ['{}'])
    case({'enum': ['a', 'b', 1, None, True, [1], {'x': 'y'}]}, ['"a"', '"b"', '1', 'null', 'true', '[1]', '{"x": "y"}'], ['"c"', '[2]'])
    case({'type': 'string', 'enum': ['a', 1, 'b']}, ['"a"', '"b"'], ['1'])
    case({'type': 'integer', 'enum': [1, 2, 'x'], 'minimum': 2}, ['2'], ['1'])
    case({'enum': ['a', 'ab', 'abc'], 'minLength': 2}, ['"ab"', '"abc"'], ['"a"'])
    case({'enum': [[1, 2], [1], []], 'minItems': 1}, ['[1, 2]', '[1]'], ['[]'])
    case({'enum': [{'a': 1}, {'b': 1}], 'required': ['a']}, ['{"a": 1}'], ['{"b": 1}'])
    case({'enum': [{'a': 1}, {'a': 'x'}], 'properties': {'a': {'type': 'string'}}}, ['{"a": "x"}'], ['{"a": 1}'])
    case({'enum': ['x%d' % i for i in range(200)]}, ['"x0"', '"x199"'], ['"x200"', '"x"'])


def arrays():
    number = {'type': 'integer'}
    case({'type': 'array', 'items': number}, ['[]', '[1]', '[1, 2, 3]'], ['["a"]', '[1,"a"]'])
    for low, high in [(0, 0), (0, 1), (1, 1), (2, 4), (3, None), (None, 2)]:
        schema = {'type': 'array', 'items': number}
        if low is not None:
            schema['minItems'] = low
        if high is not None:
            schema['maxItems'] = high
        texts = [json.dumps([1] * n) for n in range(7)]
        good = [t for t in texts if (low or 0) <= len(json.loads(t)) <= (99 if high is None else high)]
        case(schema, good, [t for t in texts if t not in good])
    case({'type': 'array', 'prefixItems': [number, {'type': 'string'}], 'items': False}, ['[]', '[1]', '[1,"a"]'], ['["a"]', '[1,2]', '[1,"a",1]'])
    case({'type': 'array', 'prefixItems': [number, {'type': 'string'}], 'items': {'type': 'null'}, 'minItems': 1}, ['[1]', '[1,"a",null,null]'], ['[]', '[1,"a",1]'])
    case({'type': 'array', 'prefixItems': [number], 'minItems': 3, 'maxItems': 3, 'items': {'type': 'boolean'}}, ['[1,true,false]'], ['[1,true]', '[1,true,false,true]'])
    case({'type': 'array', 'items': {'type': 'array', 'items': number, 'maxItems': 2}}, ['[[], [1, 2]]'], ['[[1,2,3]]'])
    case({'type': 'array', 'items': False}, ['[]'], ['[1]'])
    case({'type': 'array', 'uniqueItems': False, 'items': number}, ['[1, 1]'])
    case({'type': 'array', 'uniqueItems': True, 'maxItems': 1}, ['[1]', '[]'])
    case({'items': number}, ['"a"', '[1]', '{}'], ['["a"]'])
    case({'allOf': [{'items': number}, {'items': {'minimum': 5}}, {'type': 'array'}]}, ['[5, 6]'], ['[4]', '["a"]'])


def objects():
    s, i = {'type': 'string'}, {'type': 'integer'}
    ab = {'a': i, 'b': s}
    closed = {'type': 'object', 'additionalProperties': False}
    case({**closed, 'properties': ab}, ['{}', '{"a":1}', '{"b":"x"}', '{"a": 1, "b": "x"}'], ['{"a":"x"}', '{"c":1}', '{"a":1,"c":2}'])
    case({**closed, 'properties': ab, 'required': ['a', 'b']}, ['{"a": 1, "b": "x"}', '{\n    "a": 1,\n    "b": "x"\n}', '{\n\t"a": 1,\n\t"b": ""\n}'], ['{"a":1}', '{"b":"x"}', '{}'])
    case({**closed, 'properties': {'a': i, 'b': i, 'c': i, 'd': i}, 'required': ['b', 'd']}, ['{"b":1,"d":2}', '{"a":1,"b":1,"d":2}', '{"b":1,"c":1,"d":2}', '{"a":1,"b":1,"c":1,"d":2}'],
         ['{"a":1,"b":1}', '{"d":2}'])
    case({**closed, 'properties': {}}, ['{}'], ['{"a":1}'])
    case(closed, ['{}'], ['{"a":1}'])
    case({'type': 'object', 'additionalProperties': i}, ['{}', '{"a":1}', '{"x y": 1, "\\n": 2}'], ['{"a":"x"}'])
    case({'type': 'object', 'properties': ab, 'additionalProperties': True}, ['{"a":1,"z":[1]}', '{"z":null}', '{"ab":"x"}'], ['{"a":"x"}', '{"b":1}'])
    case({'type': 'object', 'properties': ab, 'additionalProperties': {'type': 'boolean'}}, ['{"a":1,"z":true}', '{"aa":false}'], ['{"z":1}'])
    case({'type': 'object', 'properties': ab, 'required': ['z'], 'additionalProperties': i}, ['{"a":1,"z":2}', '{"z":2,"y":3}'], ['{"a":1}', '{"z":"x"}'])
    case({'type': 'object', 'patternProperties': {'^x': i}, 'additionalProperties': False}, ['{}', '{"x":1,"xy":2}'], ['{"x":"a"}', '{"y":1}'])
    case({'type': 'object', 'patternProperties': {'^x': i, 'y$': {'maximum': 5}}, 'additionalProperties': False}, ['{"x":9}', '{"xy":5}', '{"y":"q"}'], ['{"xy":6}', '{"xy":"a"}', '{"z":1}'])
    case({'type': 'object', 'properties': {'xa': {'minimum': 3}}, 'patternProperties': {'^x': i}, 'additionalProperties': s}, ['{"xa":3,"xb":1,"q":"s"}'], ['{"xa":2}', '{"xa":"s"}', '{"q":1}'])
    case({'type': 'object', 'propertyNames': {'pattern': '^[a-z]+$'}, 'additionalProperties': i}, ['{"ab":1}'], ['{"A":1}', '{"":1}'])
    case({'type': 'object', 'propertyNames': {'enum': ['p', 'q']}}, ['{"p":1}', '{"q":[]}'], ['{"r":1}'])
    case({'type': 'object', 'propertyNames': {'maxLength': 2}}, ['{"ab":1}'], ['{"abc":1}'])
    case({'type': 'object', 'minProperties': 1}, ['{"a":1}'], ['{}'])
    case({'type': 'object', 'maxProperties': 2}, ['{}', '{"a":1}', '{"a":1,"b":2}'], ['{"a":1,"b":2,"c":3}'])
    case({**closed, 'properties': ab, 'minProperties': 1}, ['{"a":1}', '{"b":"x"}'], ['{}'])
    case({**closed, 'properties': {'a': {**closed, 'properties': {'b': {**closed, 'properties': {'c': i}}}}}}, ['{"a":{"b":{"c":1}}}', '{"a":{}}', '{\n  "a": {\n    "b": {\n      "c": 1\n    }\n  }\n}'],
         ['{"a":{"c":1}}'])
    case({**closed, 'properties': {'a b"c': i, '\u00e9': s, '': i}}, ['{"a b\\"c":1,"\u00e9":"x","":2}'])
    case({**closed, 'properties': {'a': False, 'b': i}}, ['{}', '{"b":1}'], ['{"a":1}'])
    case({'properties': {'a': i}}, ['"x"', '1', '{"a":1}'], ['{"a":"x"}'])
    case({**closed, 'properties': {'p%d' % k: i for k in range(60)}}, ['{}', '{"p0":1,"p59":2}', '{"p30":1}'], ['{"p60":1}'])
    case({'type': 'object', 'required': ['a']}, ['{"a":1}', '{"a":1,"b":2}'], ['{}', '{"b":2}'])


def combinations():
    s, i = {'type': 'string'}, {'type': 'integer'}
    def one(**p):
        return {'type': 'object', 'properties': p, 'required': list(p), 'additionalProperties': False}
    case({'anyOf': [s, i]}, ['"a"', '1'], ['1.5'])
    case({'anyOf': [s, {'type': 'null'}]}, ['"a"', 'null'])
    case({'anyOf': [one(a=i), one(b=s)]}, ['{"a":1}', '{"b":"x"}'], ['{"a":1,"b":"x"}', '{}'])
    case({'type': 'string', 'anyOf': [{'maxLength': 2}, {'pattern': '^xyz'}]}, ['"ab"', '"xyzab"'], ['"abc"'])
    case({'oneOf': [s, i]}, ['"a"', '1'])
    case({'oneOf': [one(k={'const': 'a'}, v=i), one(k={'const': 'b'}, v=s)]}, ['{"k":"a","v":1}', '{"k":"b","v":"x"}'], ['{"k":"a","v":"x"}'])
    case({'oneOf': [{'type': 'integer', 'maximum': 5}, {'type': 'integer', 'minimum': 6}]}, ['5', '6', '-1', '100'])
    case({'oneOf': [{'type': 'string', 'pattern': '^a'}, {'type': 'string', 'pattern': '^b'}]}, ['"ax"', '"bx"'], ['"cx"'])
    case({'oneOf': [{'type': 'array', 'maxItems': 1}, {'type': 'array', 'minItems': 3}]}, ['[1]', '[1,2,3]'], ['[1,2]'])
    case({'allOf': [{'properties': {'a': i}, 'required': ['a']}, {'properties': {'b': s}, 'required': ['b']}], 'type': 'object'}, ['{"a":1,"b":"x"}'], ['{"a":1}', '{"b":"x"}'])
    case({'allOf': [{'type': 'integer'}, {'minimum': 3}, {'maximum': 5}]}, ['3', '4', '5'], ['2', '6'])
    case({'allOf': [{'type': ['string', 'integer']}, {'type': ['integer', 'null']}]}, ['1'])
    case({'allOf': [{'anyOf': [s, i]}, {'anyOf': [i, {'type': 'null'}]}]}, ['1'])
    case({'allOf': [{'enum': [1, 2, 3]}, {'enum': [2, 3, 4]}]}, ['2', '3'], ['1', '4'])
    case({'$ref': '#/$defs/p', '$defs': {'p': i}}, ['1'])
    case({'$ref': '#/definitions/a', 'definitions': {'a': {'$ref': '#/definitions/b'}, 'b': s}}, ['"x"'])
    case({'$ref': '#/$defs/p', 'maximum': 3, '$defs': {'p': i}}, ['3'], ['4'])
    case({'$ref': '#/$defs/a~1b%25', '$defs': {'a/b%': i}}, ['4'])
    node = {'type': 'object', 'properties': {'v': i, 'next': {'anyOf': [{'$ref': '#'}, {'type': 'null'}]}}, 'required': ['v', 'next'], 'additionalProperties': False}
    case(node, ['{"v":1,"next":null}', '{"v":1,"next":{"v":2,"next":{"v":3,"next":null}}}'], ['{"v":1}', '{"v":1,"next":{}}'])
    tree = {'$defs': {'t': {'type': 'object', 'properties': {'n': s, 'c': {'type': 'array', 'items': {'$ref': '#/$defs/t'}}}, 'required': ['n'], 'additionalProperties': False}}, '$ref': '#/$defs/t'}
    case(tree, ['{"n":"a"}', '{"n":"a","c":[{"n":"b","c":[]},{"n":"c"}]}'], ['{"c":[]}', '{"n":"a","c":[{}]}'])
    even = {'$defs': {'e': {'anyOf': [{'const': []}, {'type': 'array', 'prefixItems': [{'$ref': '#/$defs/o'}], 'minItems': 1, 'items': False}]},
                      'o': {'type': 'array', 'prefixItems': [{'$ref': '#/$defs/e'}], 'minItems': 1, 'items': False}}, '$ref': '#/$defs/e'}
    case(even, ['[]', '[[[]]]', '[[[[[]]]]]'], ['[[]]', '[[[[]]]]'])
    case({'$id': 'https://example.com/s', '$ref': 'https://example.com/s#/$defs/x', '$defs': {'x': s}}, ['"a"'])
    case({'type': 'object', 'anyOf': [{'required': ['a']}, {'required': ['b']}], 'properties': {'a': i, 'b': i}}, ['{"a":1}', '{"b":1}', '{"a":1,"b":2}'], ['{}'])
    case({'type': 'object', 'allOf': [{'$ref': '#/$defs/base'}], 'properties': {'x': i}, 'required': ['x'], '$defs': {'base': {'properties': {'id': s}, 'required': ['id']}}},
         ['{"x":1,"id":"q"}'], ['{"x":1}', '{"id":"q"}'])
    case({'anyOf': [False, i]}, ['1'])
    case({'anyOf': [{'type': 'array', 'items': {'$ref': '#'}}, i]}, ['1', '[1,[2,[]]]'], ['["a"]'])
    # What pydantic and zod write.
    case({'properties': {'name': {'title': 'Name', 'type': 'string'}, 'age': {'anyOf': [{'type': 'integer'}, {'type': 'null'}], 'default': None, 'title': 'Age'},
                         'kind': {'$ref': '#/$defs/Kind'}}, 'required': ['name', 'kind'], 'title': 'P', 'type': 'object', '$defs': {'Kind': {'enum': ['a', 'b'], 'title': 'Kind', 'type': 'string'}}},
         ['{"name": "x", "age": null, "kind": "a"}', '{"name":"x","kind":"b"}'], ['{"name":"x"}', '{"name":"x","kind":"c"}'])
    case({'discriminator': {'propertyName': 't'}, 'oneOf': [{'$ref': '#/$defs/A'}, {'$ref': '#/$defs/B'}],
          '$defs': {'A': {'properties': {'t': {'const': 'a', 'type': 'string'}, 'n': {'type': 'number'}}, 'required': ['t', 'n'], 'type': 'object'},
                    'B': {'properties': {'t': {'const': 'b', 'type': 'string'}, 'l': {'items': {'$ref': '#'}, 'type': 'array'}}, 'required': ['t', 'l'], 'type': 'object'}}},
         ['{"t":"a","n":1.5}', '{"t":"b","l":[{"t":"a","n":1}]}'], ['{"t":"a","l":[]}', '{"t":"c"}'])
    case({'type': 'array', 'prefixItems': [{'type': 'number'}, {'type': 'number'}], 'minItems': 2, 'maxItems': 2}, ['[1,2]', '[0.5, -1]'], ['[1]', '[1,2,3]'])
    case({'additionalProperties': {'type': 'array', 'items': s}, 'propertyNames': {'format': 'uuid'}, 'type': 'object'}, ['{}'], ['{"a":[1]}'])


def main():
    for group in (types, numbers, strings, constants, arrays, objects, combinations):
        group()
    checker = FormatChecker(formats=['date', 'uuid', 'ipv4', 'ipv6', 'email'])
    print('# Written by scripts/gen_schema_cases.py. %d schemas.' % len(CASES))
    for schema, accepted, refused in CASES:
        check = Draft202012Validator(schema, format_checker=checker)

        def obeys(text):
            try:
                return check.is_valid(json.loads(text, parse_constant=lambda x: 1 / 0))
            except (ValueError, ZeroDivisionError):
                return False
        print('S', json.dumps(schema, ensure_ascii=False))
        for text in accepted:
            assert obeys(text), (schema, text)
            print('A', json.dumps(text, ensure_ascii=False))
        for text in refused:
            assert not obeys(text), (schema, text)
        for text in refused + [t for t in POOL if t not in refused and not obeys(t)]:
            print('R', json.dumps(text, ensure_ascii=False))


main()
