"""The Warp kernels of the renderer. World frame as in ``skeleton``; letters as in ``render``."""
# Warp takes float(0.0) and int(0) as variables and bare numbers as constants, so neither is idle.
# Its annotations are values to Warp, which mypy cannot read.
# ruff: noqa: UP018, RUF046
# mypy: ignore-errors

import warp as wp

LIGHT_RADIUS = wp.constant(0.14)
AMBIENT_REACH = wp.constant(0.35)


@wp.kernel
def trace_room(
    mesh: wp.uint64, origin: wp.vec3, directions: wp.array2d(dtype=wp.vec3),
    lights: wp.array(dtype=wp.vec3), rays: int, reach: float, seed: int,
    t: wp.array2d(dtype=wp.float32), face: wp.array2d(dtype=wp.int32),
    normals: wp.array2d(dtype=wp.vec3), light: wp.array2d(dtype=wp.vec3),
):  # fmt: skip
    """Meet the room: distance, triangle, normal; light = both lamps' shares and open space."""
    pixel, sample = wp.tid()
    query = wp.mesh_query_ray(mesh, origin, directions[pixel, sample], 1.0e3)
    t[pixel, sample] = query.t
    face[pixel, sample] = query.face
    normal = wp.normalize(query.normal)
    normals[pixel, sample] = normal
    point = origin + directions[pixel, sample] * query.t + normal * 1.0e-3
    state = wp.rand_init(seed, pixel * 8 + sample)
    share = wp.vec3(0.0, 0.0, 0.0)
    for lamp in range(2):
        total = float(0.0)
        for _ray in range(rays):
            to_light = lights[lamp] + LIGHT_RADIUS * wp.sample_unit_sphere(state) - point
            distance = wp.length(to_light)
            way = to_light / distance
            if not wp.mesh_query_ray_anyhit(mesh, point, way, distance):
                total += wp.max(wp.dot(normal, way), 0.0) / (1.0 + distance * distance)
        share[lamp] = total / float(rays)
    blocked = float(0.0)
    for _ray in range(rays):
        way = wp.normalize(1.001 * normal + wp.sample_unit_sphere_surface(state))
        met = wp.mesh_query_ray(mesh, point, way, reach)
        if met.result:
            blocked += 1.0 - met.t / reach
    share[2] = 1.0 - 0.8 * blocked / float(rays)
    light[pixel, sample] = share


@wp.func
def _shadowed(
    meshes: wp.array(dtype=wp.uint64), bounds: wp.array2d(dtype=wp.vec3),
    point: wp.vec3, way: wp.vec3, distance: float,
) -> float:  # fmt: skip
    """Return 1 if somebody stands between ``point`` and what is ``distance`` along ``way``."""
    for person in range(meshes.shape[0]):
        a = wp.cw_div(bounds[person, 0] - point, way)
        b = wp.cw_div(bounds[person, 1] - point, way)
        enter = wp.max(wp.min(a, b))
        leave = wp.min(wp.max(a, b))
        if enter <= leave and leave > 0.0 and enter < distance:
            if wp.mesh_query_ray_anyhit(meshes[person], point, way, distance):
                return 1.0
    return 0.0


@wp.func
def _person_light(
    meshes: wp.array(dtype=wp.uint64), bounds: wp.array2d(dtype=wp.vec3),
    point: wp.vec3, normal: wp.vec3, lights: wp.array(dtype=wp.vec3),
    colours: wp.array(dtype=wp.vec3), ambient: wp.vec3, seed: int, index: int,
) -> wp.vec3:  # fmt: skip
    """Light on a person's skin or clothes: two lamps with shadows, and the room's own glow."""
    state = wp.rand_init(seed, index)
    light = wp.vec3(0.0, 0.0, 0.0)
    for lamp in range(2):
        to_light = lights[lamp] + LIGHT_RADIUS * wp.sample_unit_sphere(state) - point
        distance = wp.length(to_light)
        way = to_light / distance
        cosine = wp.dot(normal, way)
        if cosine > 0.0 and _shadowed(meshes, bounds, point, way, distance) == 0.0:
            light += colours[lamp] * (cosine / (1.0 + distance * distance))
    way = wp.normalize(1.001 * normal + wp.sample_unit_sphere_surface(state))
    blocked = _shadowed(meshes, bounds, point, way, AMBIENT_REACH)
    return light + ambient * ((1.0 - 0.75 * blocked) * (0.75 + 0.25 * normal[1]))


@wp.kernel
def shade_room(
    meshes: wp.array(dtype=wp.uint64), bounds: wp.array2d(dtype=wp.vec3),
    origin: wp.vec3, directions: wp.array2d(dtype=wp.vec3),
    room_t: wp.array2d(dtype=wp.float32), room_normals: wp.array2d(dtype=wp.vec3),
    grounded: wp.array(dtype=wp.vec3), lights: wp.array(dtype=wp.vec3), seed: int,
    width: int, stride: int, left: wp.array2d(dtype=wp.vec3),
):  # fmt: skip
    """What people leave of each lamp and of the room's own glow at every ``stride``-th pixel."""
    row, column = wp.tid()
    pixel = stride * (row * width + column)
    centre = directions.shape[1] - 1
    point = origin + directions[pixel, centre] * room_t[pixel, centre]
    point += room_normals[pixel, centre] * 1.0e-3
    state = wp.rand_init(seed, pixel)
    share = wp.vec3(1.0, 1.0, 1.0)
    for lamp in range(2):
        to_light = lights[lamp] + LIGHT_RADIUS * wp.sample_unit_sphere(state) - point
        distance = wp.length(to_light)
        share[lamp] = 1.0 - _shadowed(meshes, bounds, point, to_light / distance, distance)
    if point[1] < 0.02:
        for index in range(grounded.shape[0]):
            offset = point - grounded[index]
            near = wp.dot(offset, offset)
            if near < 0.1:
                share[2] = share[2] * (1.0 - 0.5 * wp.exp(-near / 0.02))
    left[row, column] = share


@wp.kernel
def shade(
    meshes: wp.array(dtype=wp.uint64), bounds: wp.array2d(dtype=wp.vec3),
    vertex_normals: wp.array2d(dtype=wp.vec3), faces: wp.array(dtype=wp.int32),
    textures: wp.array2d(dtype=wp.vec3), texels: int,
    origin: wp.vec3, directions: wp.array2d(dtype=wp.vec3), near: wp.array(dtype=wp.uint8),
    room_t: wp.array2d(dtype=wp.float32),
    room_lamps: wp.array2d(dtype=wp.vec3), room_rest: wp.array2d(dtype=wp.vec3),
    left: wp.array(dtype=wp.vec3), lights: wp.array(dtype=wp.vec3),
    colours: wp.array(dtype=wp.vec3), ambient: wp.vec3, seed: int,
    colour: wp.array(dtype=wp.vec3), depth: wp.array(dtype=wp.float32),
    seen: wp.array2d(dtype=wp.int8),
):  # fmt: skip
    """Colour of a pixel from its samples; depth and people from its centre (the last sample)."""
    pixel = wp.tid()
    centre = directions.shape[1] - 1
    total = wp.vec3(0.0, 0.0, 0.0)
    open_samples = float(centre)
    light = wp.vec3(0.0, 0.0, 0.0)
    lit = int(-1)
    depth[pixel] = room_t[pixel, centre]
    for person in range(meshes.shape[0]):
        seen[person, pixel] = wp.int8(0)
    if near[pixel] != wp.uint8(0):
        for sample in range(centre + 1):
            way = directions[pixel, sample]
            nearest = room_t[pixel, sample]
            who = int(-1)
            face = int(0)
            u = float(0.0)
            v = float(0.0)
            for person in range(meshes.shape[0]):
                if (int(near[pixel]) >> person) & 1 == 1:
                    query = wp.mesh_query_ray(meshes[person], origin, way, 1.0e3)
                    if query.result:
                        if sample == centre:
                            seen[person, pixel] = wp.int8(1)
                        if query.t < nearest:
                            nearest = query.t
                            who = person
                            face = query.face
                            u = query.u
                            v = query.v
            if who >= 0 and sample == centre:
                depth[pixel] = nearest
                seen[who, pixel] = wp.int8(2)
            if who >= 0 and sample < centre:
                normal = wp.normalize(
                    vertex_normals[who, faces[3 * face]] * u
                    + vertex_normals[who, faces[3 * face + 1]] * v
                    + vertex_normals[who, faces[3 * face + 2]] * (1.0 - u - v)
                )
                point = origin + way * nearest + normal * 4.0e-3
                row = wp.clamp(int(u * float(texels)), 0, texels - 1)
                column = wp.clamp(int(v * float(texels)), 0, texels - 1 - row)
                paint = textures[who, (face * texels + row) * texels + column]
                # Light varies less than paint: two samples share one.
                if sample % 2 == 0 or who != lit:
                    light = _person_light(
                        meshes, bounds, point, normal, lights, colours, ambient,
                        seed + 1, 8 * pixel + sample,
                    )  # fmt: skip
                    lit = who
                total += wp.cw_mul(paint, light)
                open_samples -= 1.0
    share = left[pixel]
    behind = room_lamps[pixel, 0] * share[0] + room_lamps[pixel, 1] * share[1]
    behind += room_rest[pixel, 0] * share[2] + room_rest[pixel, 1]
    colour[pixel] = (total + behind * open_samples) / float(centre)
