"""The Warp kernels of the small pictures: triangles, soft light, rooms."""
# Warp takes float(0.0) as a variable and a bare number as a constant, so neither is idle.
# Its annotations are values to Warp, which mypy cannot read.
# ruff: noqa: UP018, RUF046
# mypy: ignore-errors

import warp as wp

NEAR = wp.constant(0.12)
NOTHING = wp.constant(wp.int64(0x7F7FFFFF00000000))


@wp.kernel
def rasterise(
    points: wp.array(dtype=wp.vec3), faces: wp.array(dtype=wp.int32), width: int, height: int,
    keys: wp.array2d(dtype=wp.int64),
):  # fmt: skip
    """Keep the nearest triangle at each pixel; points are x, y in pixels and the depth."""
    face = wp.tid()
    a = points[faces[3 * face]]
    b = points[faces[3 * face + 1]]
    c = points[faces[3 * face + 2]]
    if wp.min(a[2], wp.min(b[2], c[2])) > NEAR:
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        left = wp.max(int(wp.ceil(wp.min(a[0], wp.min(b[0], c[0])))), 0)
        right = wp.min(int(wp.floor(wp.max(a[0], wp.max(b[0], c[0])))), width - 1)
        top = wp.max(int(wp.ceil(wp.min(a[1], wp.min(b[1], c[1])))), 0)
        bottom = wp.min(int(wp.floor(wp.max(a[1], wp.max(b[1], c[1])))), height - 1)
        if area != 0.0:
            for row in range(top, bottom + 1):
                for column in range(left, right + 1):
                    x = float(column)
                    y = float(row)
                    u = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
                    v = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
                    w = 1.0 - u - v
                    if u >= -1.0e-4 and v >= -1.0e-4 and w >= -1.0e-4:
                        depth = u * a[2] + v * b[2] + w * c[2]
                        bits = wp.int64(wp.cast(depth, wp.int32))
                        key = (bits << wp.int64(32)) | wp.int64(face)
                        wp.atomic_min(keys, row, column, key)


@wp.func
def _depth_of(key: wp.int64) -> float:
    return wp.cast(wp.int32(key >> wp.int64(32)), wp.float32)


@wp.kernel
def add_normals(
    points: wp.array(dtype=wp.vec3), faces: wp.array(dtype=wp.int32),
    normals: wp.array(dtype=wp.vec3),
):  # fmt: skip
    """Add each triangle's area vector to its corners."""
    face = wp.tid()
    i = faces[3 * face]
    j = faces[3 * face + 1]
    k = faces[3 * face + 2]
    area = wp.cross(points[j] - points[i], points[k] - points[i])
    wp.atomic_add(normals, i, area)
    wp.atomic_add(normals, j, area)
    wp.atomic_add(normals, k, area)


@wp.kernel
def light_vertices(
    points: wp.array2d(dtype=wp.vec3), normals: wp.array(dtype=wp.vec3),
    keys: wp.array3d(dtype=wp.int64), ways: wp.array(dtype=wp.vec3),
    colours: wp.array(dtype=wp.vec3), bias: float, light: wp.array(dtype=wp.vec3),
):  # fmt: skip
    """Add up what reaches each vertex from every way; points are in each way's shadow map."""
    vertex = wp.tid()
    size = keys.shape[1]
    total = wp.vec3(0.0, 0.0, 0.0)
    for lamp in range(ways.shape[0]):
        cosine = wp.dot(normals[vertex], ways[lamp])
        if cosine > 0.0:
            place = points[lamp, vertex]
            open_taps = float(0.0)
            for tap in range(4):
                column = wp.clamp(int(place[0]) + tap % 2, 0, size - 1)
                row = wp.clamp(int(place[1]) + tap // 2, 0, size - 1)
                if _depth_of(keys[lamp, row, column]) > place[2] - bias:
                    open_taps += 0.25
            total += colours[lamp] * cosine * open_taps
    light[vertex] = total


@wp.func
def _paint(
    pattern: int, point: wp.vec3, normal: wp.vec3, first: wp.vec3, second: wp.vec3, scale: float,
    seed: int,
) -> wp.vec3:  # fmt: skip
    """Paint: 0 plain, 1 planks, 2 tiles, 3 blotches, 4 stripes, 5 books, 6 leaves."""
    a = point[0]
    b = point[2]
    if wp.abs(normal[0]) > 0.5:
        a = point[2]
        b = point[1]
    if wp.abs(normal[2]) > 0.5:
        b = point[1]
    a = a / scale
    b = b / scale
    share = float(0.0)
    shade = float(1.0)
    rough = wp.rand_init(seed)
    if pattern == 1:
        plank = wp.floor(b)
        state = wp.rand_init(seed, int(plank) * 31 + 7)
        share = wp.randf(state) + 0.35 * wp.noise(rough, wp.vec2(a * 0.8 + plank * 7.3, b * 6.0))
        if b - plank < 0.04:
            shade = 0.5
    if pattern == 2:
        cell_a = wp.floor(a)
        cell_b = wp.floor(b)
        if a - cell_a < 0.05 or b - cell_b < 0.05:
            share = 1.0
        elif (int(cell_a) + int(cell_b)) % 2 == 0:
            share = 0.25
    if pattern == 3 or pattern == 6:
        share = 0.5 + 0.9 * wp.noise(rough, wp.vec2(a * 2.0, b * 2.0))
        share += 0.6 * wp.noise(rough, wp.vec2(a * 7.0 + 3.0, b * 7.0))
        if pattern == 6:
            share += 0.7 * wp.noise(rough, wp.vec2(a * 19.0, b * 19.0))
            shade = 1.0 + 0.5 * wp.noise(rough, wp.vec2(a * 31.0, b * 31.0))
    if pattern == 4:
        if a - wp.floor(a) < 0.5:
            share = 1.0
    if pattern == 5:
        shelf = wp.floor(b)
        book = wp.floor(a * 7.0 + 0.4 * wp.sin(a * 3.0))
        state = wp.rand_init(seed, int(book) * 97 + int(shelf) * 13)
        hue = wp.vec3(wp.randf(state), wp.randf(state), wp.randf(state))
        if b - shelf > 0.12 and b - shelf < 0.72 + 0.2 * wp.randf(state):
            return wp.cw_mul(hue, hue) * 0.8
        share = 1.0
        shade = 0.6
    grain = 1.0 + 0.10 * wp.noise(rough, wp.vec2(a * 3.1, b * 3.1))
    grain += 0.06 * wp.noise(rough, wp.vec2(a * 23.0, b * 23.0))
    share = wp.clamp(share, 0.0, 1.0)
    return (first * (1.0 - share) + second * share) * shade * grain


@wp.kernel
def draw_room(
    rays: wp.array2d(dtype=wp.vec3), origin: wp.vec3, low: wp.array(dtype=wp.vec3),
    high: wp.array(dtype=wp.vec3), turns: wp.array(dtype=wp.mat33),
    patterns: wp.array(dtype=wp.int32), firsts: wp.array(dtype=wp.vec3),
    seconds: wp.array(dtype=wp.vec3), scales: wp.array(dtype=wp.float32), outdoors: int,
    way: wp.vec3, key: wp.vec3, ambient: wp.vec3, shadow: wp.array2d(dtype=wp.float32),
    shadow_low: wp.vec2, shadow_step: float, seed: int,
    colour: wp.array2d(dtype=wp.vec3), depth: wp.array2d(dtype=wp.float32),
):  # fmt: skip
    """Colour and depth (the ray's parameter) of what is around: the first box from inside."""
    row, column = wp.tid()
    ray = rays[row, column]
    nearest = float(1.0e6)
    which = int(-1)
    normal = wp.vec3(0.0, 1.0, 0.0)
    for box in range(low.shape[0]):
        start = turns[box] * origin
        along = turns[box] * ray
        a = wp.cw_div(low[box] - start, along)
        b = wp.cw_div(high[box] - start, along)
        enter3 = wp.min(a, b)
        leave3 = wp.max(a, b)
        enter = wp.max(enter3)
        leave = wp.min(leave3)
        t = enter
        if box == 0:
            t = leave
        if leave >= enter and t > 0.05 and t < nearest:
            axis = int(0)
            for k in range(3):
                if box == 0 and leave3[k] == leave:
                    axis = k
                if box > 0 and enter3[k] == enter:
                    axis = k
            if not (box == 0 and outdoors == 1 and (axis != 1 or ray[1] > 0.0)):
                nearest = t
                which = box
                normal = wp.vec3(0.0, 0.0, 0.0)
                side = -wp.sign(along[axis])
                normal[axis] = side
                normal = wp.transpose(turns[box]) * normal
    depth[row, column] = nearest
    if which < 0:
        up = wp.normalize(ray)[1]
        rough = wp.rand_init(seed)
        cloud = wp.clamp(0.5 + wp.noise(rough, wp.vec2(ray[0] * 0.5, up * 6.0)), 0.0, 1.0)
        above = patterns.shape[0] - 2
        sky = firsts[above] * (1.0 - cloud) + seconds[above] * cloud
        colour[row, column] = wp.cw_mul(sky, key + 2.0 * ambient) * (0.8 + 0.3 * (1.0 - up))
    else:
        point = origin + ray * nearest
        kind = which
        # Floor, walls and ceiling of the room have paints of their own: 0, then the last two.
        paint = patterns[kind]
        first = firsts[kind]
        second = seconds[kind]
        scale = scales[kind]
        if which == 0 and normal[1] < 0.5:
            last = patterns.shape[0] - 1
            if normal[1] < -0.5:
                last = patterns.shape[0] - 2
            paint = patterns[last]
            first = firsts[last]
            second = seconds[last]
            scale = scales[last]
        own, face = turns[which] * point, turns[which] * normal
        albedo = _paint(paint, own, face, first, second, scale, seed + which)
        lit = wp.max(wp.dot(normal, way), 0.0)
        glow = float(1.0)
        # Corners are dark.
        if which == 0:
            inner = wp.min(point - low[0], high[0] - point)
            nook = wp.min(inner[0] + 10.0 * wp.abs(normal[0]), inner[2] + 10.0 * wp.abs(normal[2]))
            nook = wp.min(nook, inner[1] + 10.0 * wp.abs(normal[1]))
            glow = 1.0 - 0.35 * wp.exp(-nook / 0.35)
        if which == 0 and normal[1] > 0.5:
            x = (point[0] - shadow_low[0]) / shadow_step
            z = (point[2] - shadow_low[1]) / shadow_step
            size = shadow.shape[0]
            if x > 0.0 and z > 0.0 and x < float(size - 1) and z < float(size - 1):
                left = shadow[int(z), int(x)]
                lit = lit * (1.0 - left)
                glow = glow * (1.0 - 0.35 * left)
        colour[row, column] = wp.cw_mul(albedo, key * lit + ambient * glow)


@wp.kernel
def resolve(
    keys: wp.array2d(dtype=wp.int64), points: wp.array(dtype=wp.vec3),
    faces: wp.array(dtype=wp.int32), face_count: int, light: wp.array(dtype=wp.vec3),
    textures: wp.array2d(dtype=wp.vec3ub), looks: wp.array(dtype=wp.int32), texels: int,
    behind: wp.array2d(dtype=wp.vec3), behind_depth: wp.array2d(dtype=wp.float32), samples: int,
    colour: wp.array2d(dtype=wp.vec3), depth: wp.array2d(dtype=wp.float32),
    owner: wp.array2d(dtype=wp.int8),
):  # fmt: skip
    """Average the samples of each pixel; depth and owner of its nearest sample."""
    row, column = wp.tid()
    total = wp.vec3(0.0, 0.0, 0.0)
    nearest = behind_depth[row, column]
    who = wp.int8(-1)
    for i in range(samples):
        for j in range(samples):
            y = row * samples + i
            x = column * samples + j
            key = keys[y, x]
            far = _depth_of(key)
            if far < behind_depth[row, column]:
                face = int(key & wp.int64(0xFFFFFFFF))
                a = points[faces[3 * face]]
                b = points[faces[3 * face + 1]]
                c = points[faces[3 * face + 2]]
                area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
                px = float(x)
                py = float(y)
                u = ((b[0] - px) * (c[1] - py) - (b[1] - py) * (c[0] - px)) / area
                v = ((c[0] - px) * (a[1] - py) - (c[1] - py) * (a[0] - px)) / area
                u = wp.clamp(u, 0.0, 1.0)
                v = wp.clamp(v, 0.0, 1.0 - u)
                person = face // face_count
                own = face % face_count
                step = wp.min(int(u * float(texels)), texels - 1)
                side = wp.min(int(v * float(texels)), texels - 1 - step)
                paint = textures[looks[person], (own * texels + step) * texels + side]
                albedo = wp.vec3(float(paint[0]), float(paint[1]), float(paint[2])) / 255.0
                shine = (
                    light[faces[3 * face]] * u
                    + light[faces[3 * face + 1]] * v
                    + light[faces[3 * face + 2]] * (1.0 - u - v)
                )
                # Textures keep the root of the albedo: eight bits are enough for dark cloth.
                total += wp.cw_mul(wp.cw_mul(albedo, albedo), shine)
                if far < nearest:
                    nearest = far
                    who = wp.int8(person)
            else:
                total += behind[row, column]
    colour[row, column] = total / float(samples * samples)
    depth[row, column] = nearest
    owner[row, column] = who
